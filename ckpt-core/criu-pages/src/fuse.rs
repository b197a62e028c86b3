//! Kills the processes when the last descriptor of their memory is closed and nobody has said that it may be.
//!
//! The kernel closes all descriptors of a process that is killed, and gives processes zeros for pages that are missing
//! then. Server and keeper share one table of descriptors, so that this happens only when both are dead, and happens
//! once. A pipe is in that table: its writing end has the highest number of all, and each process to be killed owns a
//! reading end with O_ASYNC and SIGKILL as the signal (F_SETOWN, F_SETSIG, fcntl(2)). A process that ends closes files
//! from the lowest number up, which puts off the work that releases them, and does that work last in, first out
//! (`close_files`, fs/file.c; `task_work_run`, kernel/task_work.c, since Linux 4.4). The pipe's end is thus released
//! first: the kernel kills the processes before it gives up their memory.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use crate::sys;

/// Descriptors that the two processes may have. The kernel keeps half a megabyte for so many.
const MAX_DESCRIPTORS: u64 = 65536;

/// Both ends of the pipe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fuse {
    reader: BorrowedFd<'static>,
}

impl Fuse {
    /// Raises the limit of descriptors as far as it is of use, and takes the last of them.
    ///
    /// # Errors
    /// Those of pipe2(2) and dup(2).
    pub(crate) fn create() -> Result<Self, Errno> {
        let limit = raise_limit()?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        sys::keep_open(fcntl_dupfd_cloexec(&writer, limit - 1)?);
        Ok(Self { reader: sys::keep_open(reader) })
    }

    /// As another process with the same descriptors has it.
    pub(crate) fn at(reader: BorrowedFd<'static>) -> Self {
        Self { reader }
    }

    pub(crate) fn reader(self) -> BorrowedFd<'static> {
        self.reader
    }

    /// Has `pid` killed.
    ///
    /// # Errors
    /// Those of open(2) and fcntl(2); `SRCH` if there is no such process.
    pub(crate) fn kills(self, pid: Pid) -> Result<OwnedFd, Errno> {
        let path = format!("/proc/self/fd/{}", self.reader.as_raw_fd());
        // Opened anew: an owner belongs to the opening, not to the pipe.
        let end = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        sys::kill_on_event(end.as_fd(), pid)?;
        Ok(end)
    }

    /// Takes back what [`Self::kills`] has given.
    ///
    /// # Errors
    /// Those of fcntl(2).
    pub(crate) fn spares(end: BorrowedFd<'_>) -> Result<(), Errno> {
        sys::kill_nobody(end)
    }
}

/// Gives the limit in force.
fn raise_limit() -> Result<i32, Errno> {
    let old = getrlimit(Resource::Nofile);
    let maximum = old.maximum.unwrap_or(MAX_DESCRIPTORS).min(MAX_DESCRIPTORS);
    let current = old.current.unwrap_or(maximum).clamp(maximum, MAX_DESCRIPTORS);
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: old.maximum })?;
    i32::try_from(current).map_err(|_| Errno::MFILE)
}
