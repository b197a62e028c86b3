//! Processes: how they begin, which signals end them, how they end.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::errno::last_errno;

/// Which of the two processes after a fork this is.
pub(crate) enum Fork {
    Parent(Pid),
    Child,
}

/// fork(2) as the C library does it: its allocator works in the child, whatever other threads were doing.
///
/// The child has this thread alone. It must not use what other threads may have locked: standard output, the
/// environment.
pub(crate) fn fork() -> Result<Fork, Errno> {
    // SAFETY: the callers keep to what is said above.
    forked(unsafe { libc::fork() }.into())
}

/// A process like that of fork(2) that shares this one's table of descriptors: what one receives, both hold, at once;
/// what one closes, both have closed.
///
/// No other thread of this process may be inside the allocator, whose locks the child takes as they are.
pub(crate) fn fork_with_shared_descriptors() -> Result<Fork, Errno> {
    let flags = libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child has a copy of all memory, this stack included, as after fork(2). The callers
    // hold all other threads away from the allocator.
    forked(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
}

fn forked(result: libc::c_long) -> Result<Fork, Errno> {
    match i32::try_from(result).ok().filter(|&pid| pid >= 0) {
        None => Err(last_errno()),
        Some(0) => Ok(Fork::Child),
        Some(pid) => Pid::from_raw(pid).map(Fork::Parent).ok_or(Errno::SRCH),
    }
}

/// Ends this process without its exit handlers, which are those of who called us.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: _exit(2) touches no memory.
    unsafe { libc::_exit(status) }
}

/// Leaves no zombie where the process is a child of this one.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) {
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}

/// Has this process not end by signals that are meant for a terminal's or a session's.
pub(crate) fn ignore_signals() {
    use libc::{SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2] {
        // SAFETY: SIG_IGN runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: SIG_DFL runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}
