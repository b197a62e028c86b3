//! A caller's wish that the work stop. It is a file descriptor, so it can be waited for together with everything else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Raised by a byte in its stream, as signal handlers can write one; never taken back.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: Arc<UnixStream>,
    /// Kept open, so that the stream does not end.
    _raiser: Arc<UnixStream>,
}

impl Interrupt {
    /// An interrupt, and the stream whose next byte raises it.
    ///
    /// # Errors
    /// What socketpair(2) says.
    pub fn new() -> io::Result<(Self, UnixStream)> {
        let (raised, raiser) = UnixStream::pair()?;
        let kept = raiser.try_clone()?;
        Ok((Interrupt { raised: Arc::new(raised), _raiser: Arc::new(kept) }, raiser))
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.raised.as_fd()
    }
}

/// Not of the kind `Interrupted`, upon which readers and writers try again.
pub(crate) fn interrupted() -> io::Error {
    io::Error::other(Interrupted)
}

/// Whether `error` is that of a raised interrupt.
pub(crate) fn is_interrupted(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Interrupted>())
}

#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Lets `time` go by; an error once the `interrupt` is raised.
pub(crate) fn pause(time: Duration, interrupt: Option<&Interrupt>) -> io::Result<()> {
    let Some(interrupt) = interrupt else {
        thread::sleep(time);
        return Ok(());
    };
    let timeout = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    match poll(&mut [PollFd::from_borrowed_fd(interrupt.as_fd(), PollFlags::IN)], Some(&timeout)) {
        Ok(0) | Err(Errno::INTR) => Ok(()),
        Ok(_) => Err(interrupted()),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits until `fd` is ready for `what`, at its end or broken; an error once the `interrupt` is raised.
pub(crate) fn ready(fd: BorrowedFd<'_>, what: PollFlags, interrupt: Option<&Interrupt>) -> io::Result<()> {
    let mut fds = vec![PollFd::from_borrowed_fd(fd, what)];
    fds.extend(interrupt.map(|interrupt| PollFd::from_borrowed_fd(interrupt.as_fd(), PollFlags::IN)));
    while let Err(errno) = poll(&mut fds, None) {
        // A signal that was handled: an interrupt shows at the next look.
        if errno != Errno::INTR {
            return Err(errno.into());
        }
    }
    match interrupt {
        Some(interrupt) if interrupt.is_raised() => Err(interrupted()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_byte_raises_an_interrupt_for_good() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        assert!(!interrupt.is_raised());
        raiser.write_all(&[1]).unwrap();
        assert!(interrupt.is_raised() && interrupt.is_raised());
        let (dropped, raiser) = Interrupt::new().unwrap();
        drop(raiser);
        assert!(!dropped.is_raised());
    }
}
