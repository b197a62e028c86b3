//! podman itself, for what it alone can do.

use std::ffi::OsString;

use rustix::event::{PollFd, PollFlags};

pub use crate::host::child::Said;
use crate::host::child::{Child, ChildError, poll_all};
use crate::host::interrupt::Interrupt;
use crate::host::programs::{self, ProgramError};

/// Why podman did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// It is not installed.
    #[error(transparent)]
    Missing(#[from] ProgramError),
    /// It could not be started or waited for.
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// Runs `podman` with `arguments` to its end, which an interrupt brings about by SIGTERM; gives what it said, of success
/// or failure.
///
/// # Errors
/// [`StockError`]; that podman failed is none.
pub fn run(arguments: &[OsString], interrupt: Option<&Interrupt>) -> Result<Said, StockError> {
    let mut podman = Child::start(&programs::find("podman")?, arguments, None)?;
    let mut fds = vec![PollFd::from_borrowed_fd(podman.as_fd(), PollFlags::IN)];
    fds.extend(interrupt.map(|interrupt| PollFd::from_borrowed_fd(interrupt.as_fd(), PollFlags::IN)));
    while fds.iter().all(|fd| fd.revents().is_empty()) {
        poll_all(&mut fds, None)?;
    }
    drop(fds);
    if interrupt.is_some_and(Interrupt::is_raised) {
        podman.end();
    }
    Ok(podman.finish()?)
}
