//! A file that is read while it is still being written: what is compressed on one core is on its way meanwhile, and can be
//! sent once more from any place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A file, how far it may be read, and whether more will come.
#[derive(Debug)]
pub struct Growing<'f> {
    file: &'f File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    length: u64,
    is_whole: bool,
    /// No more comes, and the writer knows why.
    is_given_up: bool,
}

impl<'f> Growing<'f> {
    /// Nothing of `file` may be read yet.
    pub fn new(file: &'f File) -> Self {
        Growing { file, state: Mutex::default(), changed: Condvar::new() }
    }

    /// So many more bytes may be read.
    pub fn advance(&self, bytes: u64) {
        self.change(|state| state.length += bytes);
    }

    /// How much may be read, bytes.
    pub fn length(&self) -> u64 {
        self.state().length
    }

    /// Nothing more comes: all is there, or the writer gave up.
    pub fn end(&self, is_whole: bool) {
        self.change(|state| if is_whole { state.is_whole = true } else { state.is_given_up = true });
    }

    /// Reads from `offset` on, and waits for what is not there yet.
    pub fn reader(&self, offset: u64) -> GrowingReader<'_> {
        GrowingReader { growing: self, offset }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// No change can leave it half-changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it may be read, more than `offset`; `offset` if that is the end.
    fn wait(&self, offset: u64) -> io::Result<u64> {
        let is_waiting = |state: &mut State| state.length <= offset && !state.is_whole && !state.is_given_up;
        let state = self.changed.wait_while(self.state(), is_waiting).unwrap_or_else(PoisonError::into_inner);
        match state.is_given_up {
            true => Err(io::Error::other("what is to be sent is not complete")),
            false => Ok(state.length),
        }
    }
}

/// Appends to the file.
impl Write for &Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.state().length;
        self.file.write_all_at(bytes, end)?;
        self.advance(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See [`Growing::reader`].
#[derive(Debug)]
pub struct GrowingReader<'g> {
    growing: &'g Growing<'g>,
    offset: u64,
}

impl Read for GrowingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.growing.wait(self.offset)? - self.offset;
        let wanted = buffer.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        let read = self.growing.file.read_at(&mut buffer[..wanted], self.offset)?;
        if read == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn it_is_read_to_its_end_while_it_grows_and_again_from_the_middle() {
        let file = tempfile::tempfile().unwrap();
        let growing = Growing::new(&file);
        let text = thread::scope(|scope| {
            let reader = scope.spawn(|| io::read_to_string(growing.reader(0)).unwrap());
            for word in ["one ", "two ", "three"] {
                (&growing).write_all(word.as_bytes()).unwrap();
            }
            growing.end(true);
            reader.join().unwrap()
        });
        assert_eq!(text, "one two three");
        assert_eq!(io::read_to_string(growing.reader(4)).unwrap(), "two three");
    }

    #[test]
    fn a_reader_hears_that_no_more_comes() {
        let file = tempfile::tempfile().unwrap();
        let growing = Growing::new(&file);
        (&growing).write_all(b"half").unwrap();
        growing.end(false);
        assert!(io::read_to_string(growing.reader(0)).is_err());
    }
}
