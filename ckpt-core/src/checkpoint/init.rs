//! The container's first process, held by a pidfd from the beginning. For as long as it lives, the container is the
//! same one. A process number would not tell: numbers get used again, and podman's "running" may mean another start.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A first process, on the host.
#[derive(Debug)]
pub(crate) struct Init {
    pid: u32,
    /// `None` if it had ended before it was opened.
    pidfd: Option<OwnedFd>,
}

impl Init {
    pub(super) fn of(pid: u32) -> Self {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Init { pid, pidfd: number.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn is_alive(&self) -> bool {
        // pidfd_open(2): readable once it has ended.
        let ends = |pidfd| poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        self.pidfd.as_ref().is_some_and(|pidfd| ends(pidfd) == Ok(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_first_process_lives_until_it_ends() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let init = Init::of(child.id());
        assert!(init.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!init.is_alive());
        assert!(!Init::of(child.id()).is_alive(), "gone before");
    }
}
