//! The command line.

use clap::Parser;

#[cfg(feature = "serve")]
use crate::arguments::SocketArgument;
use crate::commands::Command;
use crate::messages::Verbosity;

/// Save podman containers to files, and bring them back
///
/// On BTRFS and XFS, files are cloned (reflink): gigabytes take milliseconds and no space. The files are archives in
/// podman's own format.
#[derive(Parser)]
#[command(name = "ckpt", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    /// Have the service at this socket do it (see `ckpt serve`); files are still this user's. By default, what the
    /// environment variable CKPT_HOST says
    #[cfg(feature = "serve")]
    #[arg(long, global = true, value_name = "unix:///PATH")]
    pub(crate) url: Option<SocketArgument>,
}
