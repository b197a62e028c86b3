//! The last way of a staged archive: copied, or compressed, to where the user wants it.

use std::fs::File;
use std::io::{self, Seek};

use super::Compression;
use aligntar::{Alignment, ClonePolicy, Span, TransferError, transfer};

/// Why a staged archive did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// Copying failed.
    #[error("copy the archive to its place")]
    Copy(#[from] TransferError),
    /// Compressing failed.
    #[error("compress the archive")]
    Compress(#[from] io::Error),
}

/// Writes what is in `stage` to the empty file `target`.
pub(crate) fn deliver(stage: &File, target: &File, compression: Compression) -> Result<(), DeliverError> {
    match compression {
        Compression::None => copy(stage, target),
        compression => compress(stage, target, compression).map_err(Into::into),
    }
}

fn copy(stage: &File, target: &File) -> Result<(), DeliverError> {
    let length = stage.metadata()?.len();
    let span = Span { source_offset: 0, target_offset: 0, length };
    let fs_block = Alignment::of(target).unwrap_or(Alignment::DEFAULT);
    transfer(stage, target, span, fs_block, ClonePolicy::IfPossible)?;
    target.set_len(length)?;
    Ok(())
}

fn compress(mut stage: &File, target: &File, compression: Compression) -> io::Result<()> {
    stage.rewind()?;
    let mut encoder = compression.encoder(target)?;
    io::copy(&mut stage, &mut encoder)?;
    encoder.finish().map(drop)
}
