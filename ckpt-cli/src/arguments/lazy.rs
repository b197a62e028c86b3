//! `--lazy`: whether a container runs before its memory is there.

use ckpt_core::restore::Lazy;
use clap::ValueEnum;

/// When the memory may come later.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LazyArgument {
    /// Where it can be
    Auto,
    /// Always, or the restore fails
    Always,
    /// Never
    Never,
}

impl From<LazyArgument> for Lazy {
    fn from(argument: LazyArgument) -> Self {
        match argument {
            LazyArgument::Auto => Lazy::IfPossible,
            LazyArgument::Always => Lazy::Always,
            LazyArgument::Never => Lazy::No,
        }
    }
}
