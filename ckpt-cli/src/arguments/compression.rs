//! `--compress`.

use ckpt_core::compression::Compression;
use clap::ValueEnum;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum CompressionArgument {
    None,
    Gzip,
    Zstd,
}

impl From<CompressionArgument> for Compression {
    fn from(argument: CompressionArgument) -> Self {
        match argument {
            CompressionArgument::None => Compression::None,
            CompressionArgument::Gzip => Compression::Gzip,
            CompressionArgument::Zstd => Compression::Zstd,
        }
    }
}
