//! Brings a staged archive to where the user wants it: by a copy, compressed, or as a stream.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use super::Compression;
use super::destination::Destination;
use super::sink::Sink;
use crate::archive::encryption::Recipients;
use crate::host::read_ahead::ReadAhead;
use aligntar::{Alignment, ClonePolicy, Span, TransferError, transfer};

/// Why a staged archive did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// It could not be opened once more.
    #[error("open the archive once more")]
    Reopen(#[source] io::Error),
    /// Copying failed.
    #[error("copy the archive to its place")]
    Copy(#[from] TransferError),
    /// Compressing failed.
    #[error("compress the archive")]
    Compress(#[from] io::Error),
    /// Encrypting failed.
    #[error("encrypt the archive")]
    Seal(#[source] io::Error),
    /// Nobody takes what is written to standard output, or to the pipe.
    #[error("write the archive to standard output")]
    Stream(#[source] io::Error),
    /// Nobody takes what is written to the caller's writer.
    #[error("send the archive")]
    Sink(#[source] io::Error),
}

/// What a writer gets at a time, bytes.
const CHUNK: usize = 64 << 10;

/// Writes what is in `stage` to `target`, where nothing is yet.
pub(crate) fn deliver(stage: &File, target: &Destination, compression: Compression) -> Result<(), DeliverError> {
    match (target, compression) {
        (Destination::Stream(stream), Compression::None) => stream.send(stage).map_err(DeliverError::Stream),
        (Destination::Stream(stream), _) => compress(stage, stream, compression).map_err(DeliverError::Stream),
        (Destination::Sink(sink), _) => pour(stage, sink, compression).map_err(DeliverError::Sink),
        (Destination::File(target) | Destination::Nameless(target), _) => to_file(stage, target.file(), compression),
        (Destination::Sealed(target, recipients), _) => seal(stage, target.file(), recipients, compression),
        (Destination::Lent(loan, _), _) => to_file(stage, loan.file(), compression),
    }
}

fn to_file(stage: &File, target: &File, compression: Compression) -> Result<(), DeliverError> {
    match compression {
        Compression::None => copy(stage, target),
        _ => Ok(compress(stage, target, compression)?),
    }
}

fn seal(stage: &File, target: &File, recipients: &Recipients, compression: Compression) -> Result<(), DeliverError> {
    recipients.seal(target, |sealed| compress(stage, sealed, compression)).map_err(DeliverError::Seal)
}

/// All of it into a writer, until that says that it has arrived.
fn pour(mut stage: &File, mut sink: &Sink, compression: Compression) -> io::Result<()> {
    if compression == Compression::None {
        stage.rewind()?;
        let mut chunk = vec![0; CHUNK];
        let (mut offset, mut ahead) = (0, ReadAhead::of(stage));
        loop {
            ahead.reading(offset);
            let read = stage.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            sink.write_all(&chunk[..read])?;
            offset += read as u64;
        }
    } else {
        compress(stage, sink, compression)?;
    }
    sink.flush()
}

/// As it is, by clone where that can be.
pub(super) fn copy(stage: &File, target: &File) -> Result<(), DeliverError> {
    let length = stage.metadata()?.len();
    let span = Span { source_offset: 0, target_offset: 0, length };
    let fs_block = Alignment::of(target).unwrap_or(Alignment::DEFAULT);
    transfer(stage, target, span, fs_block, ClonePolicy::IfPossible)?;
    target.set_len(length)?;
    Ok(())
}

fn compress(mut stage: &File, target: impl Write, compression: Compression) -> io::Result<()> {
    stage.rewind()?;
    let mut encoder = compression.encoder(target)?;
    io::copy(&mut stage, &mut encoder)?;
    encoder.finish().map(drop)
}
