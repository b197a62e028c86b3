//! The last way of a staged archive: copied, or compressed, to where the user wants it.

use std::fs::File;
use std::io::{self, Seek, Write};

use aligntar::{Alignment, ClonePolicy, Span, TransferError, transfer};
use flate2::write::GzEncoder;

use super::Compression;

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

/// zstd's and gzip's own middle way, as podman uses them.
const ZSTD_LEVEL: i32 = 3;

/// Writes what is in `stage` to the empty file `target`.
pub(crate) fn deliver(stage: &File, target: &File, compress: Compression) -> Result<(), DeliverError> {
    match compress {
        Compression::None => copy(stage, target),
        Compression::Gzip => gzip(stage, target).map_err(Into::into),
        Compression::Zstd => zstd(stage, target).map_err(Into::into),
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

fn gzip(mut stage: &File, target: &File) -> io::Result<()> {
    stage.rewind()?;
    let mut encoder = GzEncoder::new(target, flate2::Compression::default());
    io::copy(&mut stage, &mut encoder)?;
    encoder.finish()?.flush()
}

fn zstd(mut stage: &File, target: &File) -> io::Result<()> {
    stage.rewind()?;
    let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
    encoder.multithread(std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32))?;
    io::copy(&mut stage, &mut encoder)?;
    encoder.finish()?.flush()
}
