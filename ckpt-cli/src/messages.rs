//! What people read: warnings and errors on standard error, results on standard output.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use ckpt_core::checkpoint::CheckpointError;
use ckpt_core::restore::RestoreError;
use ckpt_core::rollback::RollbackError;
use ckpt_core::save::SaveError;
use clap::Args;

use crate::noted::noted;

/// How much is said besides warnings and errors.
#[derive(Clone, Copy, Args)]
pub(crate) struct Verbosity {
    /// Say what was done, also if standard error is not a terminal
    #[arg(short, long, global = true)]
    verbose: bool,
}

impl Verbosity {
    /// Prints what a person likes to know, but not to scripts: podman says nothing there, and they compare its words.
    pub(crate) fn note(self, line: impl fmt::Display) {
        if self.verbose || io::stderr().is_terminal() {
            eprint_line(line);
        }
    }
}

/// Prints a line on standard error. If that is closed or full, nobody listens, and the work goes on.
pub(crate) fn eprint_line(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says why something failed, in one line. The lines below it, indented, are what other programs said.
pub(crate) fn complain(error: &anyhow::Error) {
    noted().error = Some(format!("{error:#}"));
    eprint_line(format_args!("Error: {error:#}"));
    print_details(error);
}

/// The same of one of several containers.
pub(crate) fn complain_of(container: &str, error: &anyhow::Error) {
    noted().error = Some(format!("{container}: {error:#}"));
    eprint_line(format_args!("Error: {container}: {error:#}"));
    print_details(error);
}

fn print_details(error: &anyhow::Error) {
    let of_checkpoint = error.downcast_ref().map(CheckpointError::details);
    let of_restore = error.downcast_ref().map(RestoreError::details);
    let of_save = error.downcast_ref().map(SaveError::details);
    let of_rollback = error.downcast_ref().map(RollbackError::details);
    for line in of_checkpoint.or(of_restore).or(of_save).or(of_rollback).unwrap_or_default() {
        eprint_line(format_args!("  {line}"));
    }
}

/// Prints a line on standard output.
///
/// # Errors
/// If it cannot be written. A closed pipe is no error: its reader has seen enough.
pub(crate) fn print_line(line: impl fmt::Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}
