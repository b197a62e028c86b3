//! Programs that have to succeed.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What `command` prints to standard output. What it prints to standard error
/// is shown only if it fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no UTF-8"))
}
