//! Handing over to podman itself: where it alone can do something, or was given leave to by `--fallback`.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use ckpt_core::interrupt::Interrupt;
use ckpt_core::passthrough::{self, Said};

use crate::display::{Verbosity, tell};

/// Runs podman with the user's own options, its words and exit status being ours; says so, and why.
pub(super) fn hand_over(
    why: &str,
    arguments: &[OsString],
    interrupt: &Interrupt,
    verbosity: Verbosity,
) -> Result<ExitCode> {
    verbosity.note(format_args!("Note: {why}: podman itself does it"));
    let said = passthrough::run(arguments, Some(interrupt))?;
    repeat(&said.stdout, &said.stderr);
    Ok(status(&said).into())
}

/// As [`hand_over`], with `--fallback` and therefore a warning; the caller prints what podman said on stdout.
pub(super) fn fall_back(why: &dyn Error, arguments: &[OsString], interrupt: Option<&Interrupt>) -> Result<Said> {
    tell(format_args!("Warning: {why}: podman itself does it (--fallback)"));
    let said = passthrough::run(arguments, interrupt)?;
    repeat(&[], &said.stderr);
    Ok(said)
}

/// podman's exit status; 125 is its own word for "failed", also where a signal ended it.
pub(super) fn status(said: &Said) -> u8 {
    said.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(125)
}

fn repeat(stdout: &[u8], stderr: &[u8]) {
    // Who closed them does not want it: that is no failure of what podman did.
    let _ = io::stdout().write_all(stdout);
    let _ = io::stderr().write_all(stderr);
}

/// The options that were given, of a table of all.
pub(super) fn given(table: &[(bool, &str)]) -> Vec<OsString> {
    table.iter().filter(|(given, _)| *given).map(|(_, option)| option.into()).collect()
}

/// `--option=value`, for any bytes.
pub(super) fn valued(option: &str, value: impl Into<OsString>) -> OsString {
    let mut text = OsString::from(format!("--{option}="));
    text.push(value.into());
    text
}

/// The kernel's name for an open file, with or without one of its own: good for as long as it is open.
pub(super) fn path_of(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}
