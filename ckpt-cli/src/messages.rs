//! What people read: warnings and errors on standard error, results on standard output.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use ckpt_core::checkpoint::CheckpointError;
use ckpt_core::restore::RestoreError;
use clap::Args;

/// How much is said beside warnings and errors.
#[derive(Clone, Copy, Args)]
pub(crate) struct Verbosity {
    /// Say what was done also where no person looks on, which is where standard error is no terminal
    #[arg(short, long, global = true)]
    verbose: bool,
}

impl Verbosity {
    /// Prints what a person likes to know. Scripts take stdout and stderr together and compare them with what podman
    /// says, which is nothing.
    pub(crate) fn note(self, line: impl fmt::Display) {
        if self.verbose || io::stderr().is_terminal() {
            eprint_line(line);
        }
    }
}

/// Prints a line on stderr. Where that is closed or full, there is nobody to tell; the work goes on.
pub(crate) fn eprint_line(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Tells why something failed: a line for people, and below it, indented, what other programs said themselves.
pub(crate) fn complain(error: &anyhow::Error) {
    eprint_line(format_args!("Error: {error:#}"));
    let of_checkpoint = error.downcast_ref().map(CheckpointError::details);
    let of_restore = error.downcast_ref().map(RestoreError::details);
    for line in of_checkpoint.or(of_restore).unwrap_or_default() {
        eprint_line(format_args!("  {line}"));
    }
}

/// Prints a line on stdout.
///
/// # Errors
/// If it cannot be written. Who closed the pipe has seen enough: that is none.
pub(crate) fn print_line(line: impl fmt::Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}
