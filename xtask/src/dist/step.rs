//! Other programs that packages are made by, and the time that is in them.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The time that files in packages have, in seconds since 1970: as reproducible builds ask for, or else the commit's.
pub(super) fn epoch(root: &Path) -> Result<String> {
    if let Ok(seconds) = env::var("SOURCE_DATE_EPOCH") {
        return Ok(seconds);
    }
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root).output();
    let told = output.ok().filter(|output| output.status.success());
    let seconds = told.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    // Without git, as in a source archive.
    Ok(Some(seconds.trim()).filter(|seconds| !seconds.is_empty()).unwrap_or("0").to_owned())
}

/// Copies a program without what only debuggers read.
pub(super) fn stripped(program: &Path, to: &Path) -> Result<()> {
    succeed(Command::new("strip").arg("-o").args([to, program])).context("install binutils, which has strip")
}

/// Runs `command`, which has to succeed.
pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name}: {status}");
    Ok(())
}

/// What `command` prints, which has to succeed.
pub(super) fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    ensure!(output.status.success(), "{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
