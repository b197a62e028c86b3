//! The command `ckpt`: checkpoints podman containers into files and restores them, by reflink.
//!
//! ```text
//! main            the command line
//! commands        one file per subcommand
//! arguments archive podman statistics     what several of them have
//! progress messages names spool signals   the terminal and the system
//! ```
#![forbid(unsafe_code)]

mod archive;
mod arguments;
mod arrived;
mod commands;
mod copies;
mod messages;
mod names;
mod podman;
mod progress;
mod signals;
mod spool;
mod statistics;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use messages::Verbosity;

/// Save podman containers to files, and bring them back
///
/// On BTRFS and XFS, files are cloned (reflink): gigabytes take milliseconds and no space. The files are archives in
/// podman's own format.
#[derive(Parser)]
#[command(name = "ckpt", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn main() -> ExitCode {
    // CRIU's hook is this program as well, under other names.
    if let Some(status) = ckpt_core::run_callback() {
        return status.into();
    }
    let Arguments { command, verbosity } = Arguments::parse();
    match command.run(verbosity) {
        Ok(status) => status,
        Err(error) => {
            messages::complain(&error);
            ExitCode::FAILURE
        }
    }
}
