//! Reads and writes pipes whose other end may stand still: an interrupt ends the wait.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};

use crate::host::interrupt::{Interrupt, interrupted, is_interrupted, ready};
use crate::host::read_ahead::ReadAhead;

/// What one call may move, in bytes; a pipe takes less.
const CHUNK: usize = 1 << 20;

/// Has the kernel move all of `archive` into `pipe`, which does not block.
pub(crate) fn send(archive: &File, pipe: &File, interrupt: Option<&Interrupt>) -> io::Result<()> {
    let (mut offset, mut ahead) = (0, ReadAhead::of(archive));
    loop {
        ahead.reading(offset);
        ready(pipe.as_fd(), PollFlags::OUT, interrupt)?;
        match splice(archive, Some(&mut offset), pipe, None, CHUNK, SpliceFlags::NONBLOCK) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A pipe that is read on although the interrupt is raised, unless nothing arrives for as long as patience lasts: its
/// writer should come to an end in order.
pub(crate) struct Incoming<'i> {
    pipe: File,
    interrupt: Option<&'i Interrupt>,
    patience: Duration,
    given_up: bool,
}

impl<'i> Incoming<'i> {
    pub(crate) fn new(pipe: File, interrupt: Option<&'i Interrupt>, patience: Duration) -> Self {
        Incoming { pipe, interrupt, patience, given_up: false }
    }

    fn arrives_in_time(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
        let patience = Timespec { tv_sec: self.patience.as_secs() as i64, tv_nsec: 0 };
        !matches!(poll(&mut fds, Some(&patience)), Ok(0))
    }
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given_up {
            return Err(interrupted());
        }
        match ready(self.pipe.as_fd(), PollFlags::IN, self.interrupt) {
            Err(error) if is_interrupted(&error) && self.arrives_in_time() => {}
            Err(error) => {
                self.given_up = true;
                return Err(error);
            }
            Ok(()) => {}
        }
        self.pipe.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::thread;

    use super::*;

    fn incoming(interrupt: &Interrupt) -> (Incoming<'_>, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Incoming::new(OwnedFd::from(reader).into(), Some(interrupt), Duration::ZERO), writer)
    }

    #[test]
    fn a_writer_at_work_is_read_to_its_end_whatever_is_raised() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let (mut incoming, mut writer) = incoming(&interrupt);
        raiser.write_all(&[1]).unwrap();
        writer.write_all(b"words").unwrap();
        drop(writer);
        let mut read = String::new();
        incoming.read_to_string(&mut read).unwrap();
        assert_eq!(read, "words");
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_writer_that_stands_still() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let (mut incoming, mut writer) = incoming(&interrupt);
        writer.write_all(b"words").unwrap();
        let raised = thread::spawn(move || raiser.write_all(&[1]));
        let mut read = Vec::new();
        assert!(is_interrupted(&incoming.read_to_end(&mut read).unwrap_err()));
        assert_eq!(read, b"words");
        raised.join().unwrap().unwrap();
        // It stays so: a half of an archive is none.
        writer.write_all(b"late").unwrap();
        assert!(is_interrupted(&incoming.read_to_end(&mut read).unwrap_err()));
    }
}
