//! What people read: warnings and errors on standard error, results on standard output.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

use aligntar::keeps_to_its_line;
use anyhow::{Context, Result};
use ckpt_core::checkpoint::CheckpointError;
use ckpt_core::restore::RestoreError;
use ckpt_core::rollback::RollbackError;
use ckpt_core::save::SaveError;
use clap::Args;

use crate::color;
use crate::headings::OF_ALL;
use crate::noted::noted;

/// How much is said besides warnings and errors.
#[derive(Clone, Copy, Args)]
pub(crate) struct Verbosity {
    /// Say what was done, also if standard error is not a terminal
    #[arg(short, long, global = true, help_heading = OF_ALL)]
    verbose: bool,
}

impl Verbosity {
    /// Prints what a person likes to know, but not to scripts: podman says nothing there, and they compare its words.
    pub(crate) fn note(self, line: impl fmt::Display) {
        if self.verbose || io::stderr().is_terminal() {
            eprint_line(OnOneLine(line));
        }
    }
}

/// What an error says, and why, behind colons.
pub(crate) fn with_reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        text += &format!(": {error}");
        reason = error.source();
    }
    text
}

/// Prints a line, or several, on standard error. If that is closed or full, nobody listens, and the work goes on.
///
/// Names, labels and words of other programs may be part of it: no character of them does anything to a terminal.
pub(crate) fn eprint_line(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{}", Harmless(line));
}

/// Warns of something.
pub(crate) fn warn(text: impl fmt::Display) {
    let text = OnOneLine(text);
    tracing::warn!("{text}");
    let _ = writeln!(io::stderr(), "{} {text}", colored("Warning:", YELLOW));
}

/// Says what went wrong.
pub(crate) fn err(text: impl fmt::Display) {
    let text = OnOneLine(text);
    tracing::error!("{text}");
    let _ = writeln!(io::stderr(), "{} {text}", colored("Error:", RED));
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";

/// By ECMA-48, SGR.
fn colored(word: &str, color: &str) -> String {
    match color::is_on_stderr() {
        true => format!("\x1b[{color}m{word}\x1b[0m"),
        false => word.to_owned(),
    }
}

/// Says why something failed, in one line. The lines below it, indented, are what other programs said.
pub(crate) fn complain(error: &anyhow::Error) {
    noted().error = Some(format!("{error:#}"));
    err(format_args!("{error:#}"));
    print_details(error);
}

/// The same of one of several containers.
pub(crate) fn complain_of(container: &str, error: &anyhow::Error) {
    noted().error = Some(format!("{container}: {error:#}"));
    err(format_args!("{container}: {error:#}"));
    print_details(error);
}

fn print_details(error: &anyhow::Error) {
    let of_checkpoint = error.downcast_ref().map(CheckpointError::details);
    let of_restore = error.downcast_ref().map(RestoreError::details);
    let of_save = error.downcast_ref().map(SaveError::details);
    let of_rollback = error.downcast_ref().map(RollbackError::details);
    for line in of_checkpoint.or(of_restore).or(of_save).or(of_rollback).unwrap_or_default() {
        eprint_line(OnOneLine(format_args!("  {line}")));
    }
}

/// Prints a line on standard output.
///
/// # Errors
/// As [`print_text`].
pub(crate) fn print_line(line: impl fmt::Display) -> Result<()> {
    print_text(OnOneLine(line))
}

/// Prints lines on standard output.
///
/// # Errors
/// If it cannot be written. A closed pipe is no error: its reader has seen enough.
pub(crate) fn print_text(text: impl fmt::Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", Harmless(text)).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}

/// Text of which a terminal only shows characters: what else it might do to it is escaped, except for ends of lines.
struct Harmless<T>(T);

/// The same, and it stays on its line.
struct OnOneLine<T>(T);

impl<T: fmt::Display> fmt::Display for Harmless<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { to: formatter, but: Some('\n') }, "{}", self.0)
    }
}

impl<T: fmt::Display> fmt::Display for OnOneLine<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { to: formatter, but: None }, "{}", self.0)
    }
}

struct Escaping<'w, 'f> {
    to: &'w mut fmt::Formatter<'f>,
    but: Option<char>,
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let acts = |character: char| Some(character) != self.but && !keeps_to_its_line(character);
        for piece in text.split_inclusive(acts) {
            match piece.char_indices().next_back() {
                Some((end, last)) if acts(last) => write!(self.to, "{}{}", &piece[..end], last.escape_default())?,
                _ => self.to.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_characters() {
        let text = "käse\u{1b}[2J\r\u{9b}1m\u{202e}x\n";
        assert_eq!(Harmless(text).to_string(), "käse\\u{1b}[2J\\r\\u{9b}1m\\u{202e}x\n");
        assert_eq!(OnOneLine(text).to_string(), "käse\\u{1b}[2J\\r\\u{9b}1m\\u{202e}x\\n");
    }
}
