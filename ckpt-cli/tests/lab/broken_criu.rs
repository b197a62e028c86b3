//! A CRIU that does something else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::succeed;

pub(crate) fn whole_criu() -> String {
    succeed("sh", &["-c", "command -v criu"])
}

/// A folder with a `criu` that runs `commands` whenever a runtime asks something of it.
pub(crate) fn broken_criu(commands: &str) -> tempfile::TempDir {
    let bin = tempfile::tempdir().unwrap();
    let criu = whole_criu();
    let asked_by_a_runtime = "[ \"$1\" = swrk ] && [ $(cat /proc/$PPID/comm) != podman ]";
    make_script(&bin.path().join("criu"), &format!("{asked_by_a_runtime} || exec {criu} \"$@\"\n{commands}"));
    bin
}

pub(crate) fn make_script(path: &Path, commands: &str) {
    fs::write(path, format!("#!/bin/bash\n{commands}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
