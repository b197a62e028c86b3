//! Where an archive is read from: a file in place, or a stream that only goes forward.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use crate::host::interrupt::{Interrupt, ready};

/// Where an archive comes from.
#[derive(Clone, Debug)]
pub enum Import {
    /// This file; a FIFO is read to its end, as a shell's `<(…)` is.
    File(PathBuf),
    /// Standard input: a pipe is read to its end, a file in place.
    Stdin,
    /// A file that is open, whether or not it has a name of its own; it is read from its beginning.
    Opened {
        /// The file.
        file: Arc<File>,
        /// Its path, or what messages call it.
        name: PathBuf,
        /// Whether that is its path.
        has_path: bool,
    },
}

impl Default for Import {
    /// A file without a name, which is an error.
    fn default() -> Self {
        Import::File(PathBuf::new())
    }
}

impl<P: Into<PathBuf>> From<P> for Import {
    fn from(path: P) -> Self {
        Import::File(path.into())
    }
}

impl Import {
    /// What messages call it.
    pub fn name(&self) -> &Path {
        match self {
            Import::File(path) => path,
            Import::Stdin => Path::new("standard input"),
            Import::Opened { name, .. } => name,
        }
    }

    /// Where others find it; `None` if they cannot.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Import::File(path) | Import::Opened { name: path, has_path: true, .. } => Some(path),
            Import::Stdin | Import::Opened { .. } => None,
        }
    }

    /// Opens it. Not blocking: a FIFO without a writer is waited for later, where an interrupt is heard.
    pub(crate) fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match self {
            Import::File(path) => Ok(open(path, flags, Mode::empty())?.into()),
            Import::Stdin => Ok(io::stdin().as_fd().try_clone_to_owned()?.into()),
            // Not a duplicate, which would share its position.
            Import::Opened { file, .. } => {
                let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                let file = File::from(open(path, flags, Mode::empty())?);
                // One of a history is not removed as long as it is read, be it by who brings memory later. Others need
                // no lock.
                let _ = flock(&file, FlockOperation::NonBlockingLockShared);
                Ok(file)
            }
        }
    }
}

/// Reads a stream until an interrupt is raised.
pub(super) struct Interruptible<'s> {
    pub(super) stream: &'s File,
    pub(super) interrupt: Option<&'s Interrupt>,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            ready(self.stream.as_fd(), PollFlags::IN, self.interrupt)?;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::thread;

    fn fifo() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        (folder, path)
    }

    #[test]
    fn an_open_file_without_a_name_is_read_from_its_beginning_each_time() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"archive").unwrap();
        let import = Import::Opened { file: file.into(), name: "web".into(), has_path: false };
        for _ in 0..2 {
            assert_eq!(io::read_to_string(import.open().unwrap()).unwrap(), "archive");
        }
    }

    #[test]
    fn a_fifo_is_waited_for_and_read_to_its_end() {
        let (_folder, path) = fifo();
        let stream = Import::from(&path).open().unwrap();
        let writer = thread::spawn(move || {
            let mut fifo = File::options().write(true).open(path).unwrap();
            fifo.write_all(b"one").unwrap();
            fifo.write_all(b"two").unwrap();
        });
        let mut text = String::new();
        Interruptible { stream: &stream, interrupt: None }.read_to_string(&mut text).unwrap();
        writer.join().unwrap();
        assert_eq!(text, "onetwo");
    }

    #[test]
    fn a_fifo_that_nobody_writes_to_is_not_waited_for_after_an_interrupt() {
        let (_folder, path) = fifo();
        let stream = Import::from(&path).open().unwrap();
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        raiser.write_all(&[1]).unwrap();
        let read = Interruptible { stream: &stream, interrupt: Some(&interrupt) }.read(&mut [0]);
        assert_eq!(read.unwrap_err().to_string(), "interrupted");
    }
}
