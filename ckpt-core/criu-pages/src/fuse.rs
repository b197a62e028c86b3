//! Kills the processes when the last descriptor of their memory is closed and nobody has said that it may be.
//!
//! The kernel closes all descriptors of a process that is killed, and gives processes zeros for pages that are missing
//! then. The server's three processes share one table of descriptors, so that this happens only when all are dead, and
//! happens once. A pipe is in that table: its writing end has the highest number of all, and each process to be killed owns a
//! reading end with O_ASYNC and SIGKILL as the signal (F_SETOWN, F_SETSIG, fcntl(2)). A process that ends closes files
//! from the lowest number up, which puts off the work that releases them, and does that work last in, first out
//! (`close_files`, fs/file.c; `task_work_run`, kernel/task_work.c, since Linux 4.4). The pipe's end is thus released
//! first: the kernel kills the processes before it gives up their memory.
//!
//! It does not kill the first process of a pid namespace, as a container's is: that one heeds a SIGKILL only if its sender
//! is told as well (`sig_task_ignored`, kernel/signal.c), and a file's event has none. Nor does it kill children that were
//! forked since the restore. Both read zeros if all three are killed before one could replace another.
//!
//! What else was looked at for those two, on Linux 6.18:
//!
//! - PTRACE_O_EXITKILL does kill the first process of a namespace, and its namespace with it: tried, it dies when its
//!   tracer is killed. But there is one tracer, whose death alone would do it, though others still hold the memory; and the
//!   kernel kills after the tracer's files are closed (`exit_files` and `exit_notify`, `do_exit`, kernel/exit.c).
//! - UFFD_FEATURE_SIGBUS goes with the userfaultfd. A page with UFFDIO_POISON raises SIGBUS, but at once: nobody can wait
//!   for it any more.
//! - Limits that kill (RLIMIT_CPU, memory.max) do so later than the first page of zeros is read.

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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use rustix::process::{Signal, kill_process};

    use super::*;
    use crate::sys::Fork;

    /// Two processes with one table, as server and keeper, of which `spared` decides whether they let `child` live.
    fn end_of(mut child: Child, spared: bool) -> Result<Option<i32>, Errno> {
        let (ready, set) = pipe_with(PipeFlags::CLOEXEC)?;
        let victim = Pid::from_child(&child);
        let Fork::Parent(first) = sys::fork()? else {
            let made = Fuse::create().and_then(|fuse| fuse.kills(victim));
            match made {
                Ok(end) if spared => drop(Fuse::spares(end.as_fd()).map(|()| sys::keep_open(end))),
                Ok(end) => drop(sys::keep_open(end)),
                Err(_) => sys::exit(1),
            }
            let _ = sys::fork_with_shared_descriptors();
            let _ = rustix::io::write(&set, &std::process::id().to_ne_bytes());
            loop {
                std::thread::park();
            }
        };
        drop(set);
        let mut pids = [0; 8];
        let (mut length, mut both) = (0, Vec::new());
        while length < 8 {
            length += rustix::io::read(&ready, &mut pids[length..])?;
        }
        for pid in pids.chunks_exact(4) {
            both.extend(Pid::from_raw(i32::from_ne_bytes(pid.try_into().expect("four bytes"))));
        }
        let last = both.iter().copied().find(|&pid| pid != first).ok_or(Errno::SRCH)?;
        kill_process(first, Signal::KILL)?;
        rustix::process::waitpid(Some(first), rustix::process::WaitOptions::empty())?;
        // One of two has ended, and nothing happens.
        assert!(matches!(child.try_wait(), Ok(None)));
        kill_process(last, Signal::KILL)?;
        // Their end of this pipe is closed when all else is.
        while rustix::io::read(&ready, &mut [0; 4])? > 0 {}
        if spared {
            assert!(matches!(child.try_wait(), Ok(None)));
            child.kill().map_err(|_| Errno::SRCH)?;
        }
        Ok(child.wait().map_err(|_| Errno::CHILD)?.signal())
    }

    #[test]
    fn a_process_is_killed_when_the_last_of_both_has_ended() -> Result<(), Errno> {
        let sleeping = Command::new("sleep").arg("1000").spawn().expect("sleep is there");
        assert_eq!(end_of(sleeping, false)?, Some(9));
        Ok(())
    }

    #[test]
    fn a_process_that_is_spared_lives_on() -> Result<(), Errno> {
        let sleeping = Command::new("sleep").arg("1000").spawn().expect("sleep is there");
        assert_eq!(end_of(sleeping, true)?, Some(9));
        Ok(())
    }
}
