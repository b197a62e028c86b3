//! Descriptors by their numbers, and signals on what happens at them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::process::Pid;

use super::errno::last_errno;

/// Leaves a descriptor open until the process ends, or [`close`] is called with it.
pub(crate) fn keep_open(file: impl Into<OwnedFd>) -> BorrowedFd<'static> {
    borrow(file.into().into_raw_fd())
}

/// A descriptor that the kernel, or another process with the same table, has given the number of.
pub(crate) fn borrow(number: RawFd) -> BorrowedFd<'static> {
    assert!(number >= 0);
    // SAFETY: the number is not -1; it is that of a descriptor which nothing but `close` closes. Its users hold it by a
    // place in the journal, which is given up before.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Closes for all processes with this table.
pub(crate) fn close(number: RawFd) {
    // SAFETY: the caller had it by `keep_open` or `borrow`, or is a new process without owners, and forgets it.
    unsafe { libc::close(number) };
}

/// `F_SETSIG`, asm-generic/fcntl.h.
const F_SETSIG: i32 = 10;

/// Has the kernel send SIGKILL to `pid` when something happens at `file`; see `F_SETOWN`, `F_SETSIG` and `O_ASYNC` of
/// fcntl(2).
pub(crate) fn kill_on_event(file: impl AsFd, pid: Pid) -> Result<(), Errno> {
    set(file.as_fd(), libc::F_SETOWN, pid.as_raw_nonzero().get())?;
    set(file.as_fd(), F_SETSIG, libc::SIGKILL)?;
    set(file.as_fd(), libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)
}

/// Takes back [`kill_on_event`].
pub(crate) fn kill_nobody(file: impl AsFd) -> Result<(), Errno> {
    set(file.as_fd(), libc::F_SETFL, libc::O_NONBLOCK)?;
    set(file.as_fd(), libc::F_SETOWN, 0)
}

fn set(file: BorrowedFd<'_>, command: i32, value: i32) -> Result<(), Errno> {
    // SAFETY: the commands above take one integer.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, value) } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}
