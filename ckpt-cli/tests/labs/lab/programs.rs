//! Other programs in the place of those that are installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::succeed;

/// The path of the program that PATH finds.
pub(crate) fn installed(program: &str) -> String {
    succeed("sh", &["-c", &format!("command -v {program}")])
}

/// A PATH in which the programs in `folder` come first.
pub(crate) fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// A folder with links to the installed `programs` and with `scripts`, for a PATH of nothing else.
pub(crate) fn folder_of(programs: &[&str], scripts: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for program in programs {
        symlink(installed(program), folder.path().join(program)).unwrap();
    }
    for (name, script) in scripts {
        make_executable(&folder.path().join(name), script);
    }
    folder
}

/// A folder with a `criu` that runs `commands` whenever a runtime asks something of it.
pub(crate) fn broken_criu(commands: &str) -> TempDir {
    let bin = tempfile::tempdir().unwrap();
    let asked_by_a_runtime = "[ \"$1\" = swrk ] && [ $(cat /proc/$PPID/comm) != podman ]";
    let script = format!("{asked_by_a_runtime} || exec {} \"$@\"\n{commands}", installed("criu"));
    make_script(&bin.path().join("criu"), &script);
    bin
}

/// Makes a script of bash.
pub(crate) fn make_script(path: &Path, commands: &str) {
    make_executable(path, &format!("#!/bin/bash\n{commands}\n"));
}

fn make_executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
