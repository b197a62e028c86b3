//! Programs of the host: found in PATH, run, their words kept.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Why a program did not run.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// Not in PATH.
    #[error("{program} is not installed, or not in PATH: install the package {program}")]
    Missing {
        /// Its name.
        program: String,
    },
    /// It could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Its name.
        program: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// The first executable file `program` in PATH; a `program` with a slash is a path itself.
pub(crate) fn find(program: &str) -> Result<PathBuf, ExternalError> {
    if program.contains('/') && is_executable(Path::new(program)) {
        return Ok(PathBuf::from(program));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    candidates_in(&path, program).next().ok_or_else(|| ExternalError::Missing { program: program.to_owned() })
}

/// All executable files `program` in the folders of `path`, in its order.
pub(crate) fn candidates_in<'p>(path: &'p OsStr, program: &str) -> impl Iterator<Item = PathBuf> + use<'p> {
    let program = program.to_owned();
    env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(move |folder| folder.join(&program))
        .filter(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runs `command` to its end without input, and keeps what it prints.
pub(crate) fn run(command: &mut Command) -> Result<Output, ExternalError> {
    command.stdin(Stdio::null()).output().map_err(|source| start_error(command, source))
}

pub(crate) fn start_error(command: &Command, source: io::Error) -> ExternalError {
    ExternalError::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}
