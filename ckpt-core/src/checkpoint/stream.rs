//! Writes an archive to standard output or to a pipe, however slow its reader is, until an interrupt is raised.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use rustix::event::PollFlags;
use rustix::fs::OFlags;

use crate::host::interrupt::{Interrupt, ready};
use crate::host::pipe;

/// It only goes forward.
#[derive(Debug)]
pub(crate) struct Stream {
    file: File,
    is_pipe: bool,
    interrupt: Option<Interrupt>,
}

impl Stream {
    pub(super) fn stdout(interrupt: Option<Interrupt>) -> io::Result<Self> {
        Self::of(io::stdout().as_fd().try_clone_to_owned()?.into(), interrupt)
    }

    /// A pipe is opened anew. So it can be non-blocking here and still block for whoever else has it.
    pub(super) fn of(file: File, interrupt: Option<Interrupt>) -> io::Result<Self> {
        let is_pipe = file.metadata()?.file_type().is_fifo();
        let file = if is_pipe {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            File::options().write(true).custom_flags(flags).open(format!("/proc/self/fd/{}", file.as_raw_fd()))?
        } else {
            file
        };
        Ok(Stream { file, is_pipe, interrupt })
    }

    /// Writes all of `archive`; into a pipe or a file, the kernel moves the bytes.
    pub(super) fn send(&self, mut archive: &File) -> io::Result<()> {
        archive.rewind()?;
        if !self.is_pipe {
            return io::copy(&mut archive, &mut &self.file).map(drop);
        }
        pipe::send(archive, &self.file, self.interrupt.as_ref())
    }

    fn wait(&self) -> io::Result<()> {
        ready(self.file.as_fd(), PollFlags::OUT, self.interrupt.as_ref())
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.wait()?;
            match (&self.file).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::thread;

    /// More than a pipe holds.
    const LARGE: usize = 3 << 20;

    fn archive() -> File {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..LARGE).map(|at| (at * at / 7) as u8).collect();
        file.write_all(&bytes).unwrap();
        file
    }

    fn pipe(interrupt: Option<Interrupt>) -> (io::PipeReader, Stream) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, Stream::of(File::from(std::os::fd::OwnedFd::from(writer)), interrupt).unwrap())
    }

    #[test]
    fn a_slow_reader_gets_all_whichever_way_it_is_written() {
        let mut expected = Vec::new();
        let mut file = archive();
        file.rewind().unwrap();
        file.read_to_end(&mut expected).unwrap();
        for spliced in [true, false] {
            let (mut reader, stream) = pipe(None);
            let file = file.try_clone().unwrap();
            let bytes = expected.clone();
            let writer = thread::spawn(move || match spliced {
                true => stream.send(&file),
                false => (&stream).write_all(&bytes),
            });
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            writer.join().unwrap().unwrap();
            assert!(read == expected, "spliced: {spliced}");
        }
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_reader() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let (reader, stream) = pipe(Some(interrupt));
        let writer = thread::spawn(move || (stream.send(&archive()), (&stream).write_all(&[0])));
        raiser.write_all(&[1]).unwrap();
        let (sent, written) = writer.join().unwrap();
        assert_eq!(sent.unwrap_err().to_string(), "interrupted");
        assert_eq!(written.unwrap_err().to_string(), "interrupted");
        drop(reader);
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        let (reader, stream) = pipe(None);
        drop(reader);
        assert_eq!(stream.send(&archive()).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn others_see_a_pipe_that_blocks() {
        let (_reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let _stream = Stream::of(file.try_clone().unwrap(), None).unwrap();
        assert!(!rustix::fs::fcntl_getfl(&file).unwrap().contains(OFlags::NONBLOCK));
    }
}
