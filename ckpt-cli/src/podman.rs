//! Work that is left to podman itself: what it alone can do, and with `--fallback` what cannot be cloned.

mod command_line;

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use ckpt_core::interrupt::Interrupt;
use ckpt_core::passthrough::{self, Said};

use crate::messages::{Verbosity, warn};
pub(crate) use command_line::CommandLine;

/// For the help of the subcommands that podman takes part in.
pub(crate) const EXIT_STATUS: &str = "Exit status: 0 if everything was done, 1 if something failed, 2 for a wrong command line, 130 after a second Ctrl-C. \
     Where podman itself does the work, the exit status is podman's: 125 for most failures.";

/// What to do where this program can do nothing.
pub(crate) const FALLBACK_HINT: &str = "--fallback lets podman itself do it";

/// Runs podman, and takes its words and its exit status for ours. Says so, and why.
pub(crate) fn hand_over(
    why: &str,
    command: &CommandLine,
    interrupt: &Interrupt,
    verbosity: Verbosity,
) -> Result<ExitCode> {
    verbosity.note(format_args!("Note: {why}: podman itself does it"));
    let said = passthrough::run(command.words(), Some(interrupt))?;
    repeat(&said.stdout, &said.stderr);
    Ok(status(&said).into())
}

/// Does the same for `--fallback`, with a warning. The caller prints what podman said on standard output.
pub(crate) fn fall_back(why: &dyn Error, command: &CommandLine, interrupt: Option<&Interrupt>) -> Result<Said> {
    warn(format_args!("{why}: podman itself does it (--fallback)"));
    let said = passthrough::run(command.words(), interrupt)?;
    repeat(&[], &said.stderr);
    Ok(said)
}

/// podman's exit status; 125 is its own word for "failed", also where a signal ended it.
pub(crate) fn status(said: &Said) -> u8 {
    said.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(125)
}

fn repeat(stdout: &[u8], stderr: &[u8]) {
    // Who closed them does not want it: that is no failure of what podman did.
    let _ = io::stdout().write_all(stdout);
    let _ = io::stderr().write_all(stderr);
}

/// The kernel's name for an open file, with or without one of its own: good for as long as it is open.
pub(crate) fn path_of(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}
