//! Runs podman itself, for what it alone can do.

use std::ffi::OsString;
use std::process::Command;

pub use crate::host::child::Said;
use crate::host::child::{Child, ChildError, command};
use crate::host::interrupt::Interrupt;
use crate::host::programs::{self, ProgramError};

/// Why podman did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum PassthroughError {
    /// It is not installed.
    #[error(transparent)]
    Missing(#[from] ProgramError),
    /// It could not be started or waited for.
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// Runs `podman` with `arguments` to its end, which an interrupt brings about by SIGTERM; gives what it said, of
/// success or failure.
///
/// # Errors
/// [`PassthroughError`]; that podman failed is none.
pub fn run(arguments: &[OsString], interrupt: Option<&Interrupt>) -> Result<Said, PassthroughError> {
    Ok(Child::start(&programs::find("podman")?, arguments, None, None)?.finish_until(interrupt)?)
}

/// A command that starts `podman` with `arguments` in a process group of its own. It gets SIGTERM when the thread is
/// gone that starts it. The program has to call [`run_callback`](crate::run_callback) first of all.
///
/// # Errors
/// [`PassthroughError::Missing`].
pub fn bound_to_thread(arguments: &[OsString]) -> Result<Command, PassthroughError> {
    Ok(command(&programs::find("podman")?, arguments))
}
