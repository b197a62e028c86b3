//! Starting other programs and saying what went wrong with them.

use std::ffi::OsStr;
use std::iter;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs `command` to its end; its output goes to standard error, since
/// standard output belongs to the command that runs in the lab.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{}: {status}", line(command));
    Ok(())
}

/// The same for short steps: what they print is shown only if they fail.
pub(super) fn run_quietly(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{}: {}\n{}{}",
        line(command),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// What `command` prints to standard output.
pub(super) fn read(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(output.status.success(), "{}: {}", line(command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no UTF-8"))
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let words = iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
