//! `--format`: for people or for scripts.

use clap::ValueEnum;

/// What has columns.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TableFormat {
    Table,
    Json,
}

/// What has lines.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TextFormat {
    Text,
    Json,
}
