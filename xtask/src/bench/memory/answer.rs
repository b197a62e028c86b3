//! The first answer of a restored process: bytes of its memory, through a FIFO.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// What is in the FIFO when the process is dumped, and comes back without it (`PIPE_DEF_BUFFERS` pages, pipe(7)).
const IN_THE_PIPE: usize = 64 << 10;

const PATIENCE: Duration = Duration::from_secs(120);

/// One who waits for an answer.
pub(super) struct Listener(File);

impl Listener {
    /// Before the process is there.
    pub(super) fn at(fifo: &Path) -> Result<Self> {
        let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(fifo);
        opened.map(Self).with_context(|| format!("cannot open {}", fifo.display()))
    }

    /// When the first byte came that was not in the pipe before.
    pub(super) fn answered(mut self) -> Result<Instant> {
        let (limit, mut heard, mut buffer) = (Instant::now() + PATIENCE, 0, [0; IN_THE_PIPE]);
        while heard <= IN_THE_PIPE {
            ensure!(Instant::now() < limit, "no answer after {} s", PATIENCE.as_secs());
            match self.0.read(&mut buffer[..(IN_THE_PIPE + 1 - heard).min(IN_THE_PIPE)]) {
                // CRIU opens and closes it a few times.
                Ok(0) => thread::sleep(Duration::from_micros(200)),
                Ok(count) => heard += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(error).context("cannot read the answer"),
            }
        }
        Ok(Instant::now())
    }

    fn wait(&self) -> Result<()> {
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&second)).context("cannot wait for the answer")?;
        Ok(())
    }
}
