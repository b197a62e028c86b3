//! The command `ckpt`: freezes containers of podman into files, and brings them back, by reflink.
#![forbid(unsafe_code)]

mod commands;
mod display;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use display::Verbosity;

/// Freeze a podman container, keep it as a file, bring it back or copy it.
///
/// On BTRFS and XFS the container's files are cloned (reflink): gigabytes cost milliseconds and no space.
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
            display::complain(&error);
            ExitCode::FAILURE
        }
    }
}
