//! Where an archive is read from: a file at any offset, or a stream that only goes forward.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes of an archive by their offsets.
pub trait Source {
    /// Fills `buffer` with the bytes from `offset` as far as the archive goes, and gives how many they are.
    ///
    /// # Errors
    /// `UnexpectedEof` if the archive ends before `offset`; other errors of the medium.
    fn read_up_to_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buffer` with the bytes from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the archive ends before the buffer is full; other errors of the medium.
    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.read_up_to_at(buffer, offset)? {
            len if len == buffer.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Length in bytes, where it is known beforehand.
    fn archive_len(&self) -> Option<u64>;

    /// The file, where the archive is one as it is: data can be cloned from it.
    fn file(&self) -> Option<&File>;
}

impl<S: Source + ?Sized> Source for &mut S {
    fn read_up_to_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_up_to_at(buffer, offset)
    }

    fn archive_len(&self) -> Option<u64> {
        (**self).archive_len()
    }

    fn file(&self) -> Option<&File> {
        (**self).file()
    }
}

/// Bytes of the window behind a jump: the headers of one member, and of the next if they are small.
const FIRST_WINDOW: usize = 8 * 1024;

/// Bytes of the window where it has been read on without jumps; past that, a call costs less than the bytes it reads.
const LARGEST_WINDOW: usize = 256 * 1024;

/// Bytes behind the window that cost no more to read than the call that would save them: some 0.5 µs each.
const SMALL_JUMP: usize = 4 * 1024;

/// An archive in a file; headers are read through a window, so that small members cost no call each.
///
/// The window grows while one read follows the other and shrinks when data is jumped over, so that neither many small
/// members nor a few large ones cost more than they must.
#[derive(Debug)]
pub struct FileSource<'f> {
    file: &'f File,
    len: u64,
    window: Vec<u8>,
    window_offset: u64,
    /// Bytes to be read next time.
    window_size: usize,
}

impl<'f> FileSource<'f> {
    /// The whole of `file`.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn new(file: &'f File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(FileSource { file, len, window: Vec::new(), window_offset: 0, window_size: FIRST_WINDOW })
    }

    /// Where `offset` is in the window, if all of `len` bytes are.
    fn in_window(&self, offset: u64, len: usize) -> Option<usize> {
        let at = usize::try_from(offset.checked_sub(self.window_offset)?).ok()?;
        (at.checked_add(len)? <= self.window.len()).then_some(at)
    }

    fn fill_window(&mut self, offset: u64) -> io::Result<()> {
        let goes_on = offset
            .checked_sub(self.window_offset)
            .is_some_and(|ahead| ahead > 0 && ahead <= (self.window.len() + SMALL_JUMP) as u64);
        self.window_size = if goes_on { (2 * self.window_size).min(LARGEST_WINDOW) } else { FIRST_WINDOW };
        let want = self.len.saturating_sub(offset).min(self.window_size as u64) as usize;
        self.window.resize(want, 0);
        self.window_offset = offset;
        let filled = self.file.read_exact_at(&mut self.window, offset);
        if filled.is_err() {
            self.window.clear();
        }
        filled
    }
}

impl Source for FileSource<'_> {
    fn read_up_to_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len.checked_sub(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..len];
        if len > FIRST_WINDOW && self.in_window(offset, len).is_none() {
            return self.file.read_exact_at(buffer, offset).map(|()| len);
        }
        if self.in_window(offset, len).is_none() {
            self.fill_window(offset)?;
        }
        // The window starts at `offset` and has at least `FIRST_WINDOW` bytes, or all that are left.
        let at = self.in_window(offset, len).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(&self.window[at..at + len]);
        Ok(len)
    }

    fn archive_len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn file(&self) -> Option<&File> {
        Some(self.file)
    }
}

/// An archive from a pipe or a decompressor. What is skipped is read and dropped.
///
/// It is read in pieces of 512 bytes where there are many headers: wrap a pipe in a [`std::io::BufReader`] first.
#[derive(Debug)]
pub struct StreamSource<R> {
    stream: R,
    position: u64,
}

impl<R: Read> StreamSource<R> {
    /// A stream whose next byte is the archive's first.
    pub fn new(stream: R) -> Self {
        StreamSource { stream, position: 0 }
    }

    /// Reads the stream to its end, so that whoever writes it need not fail.
    ///
    /// # Errors
    /// What the stream says.
    pub fn drain(mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Source for StreamSource<R> {
    fn read_up_to_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let skip = offset.checked_sub(self.position).ok_or(io::ErrorKind::NotSeekable)?;
        let skipped = io::copy(&mut self.stream.by_ref().take(skip), &mut io::sink())?;
        self.position += skipped;
        if skipped < skip {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(len) => filled += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    fn archive_len(&self) -> Option<u64> {
        None
    }

    fn file(&self) -> Option<&File> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_only_go_forward() {
        let mut source = StreamSource::new(&b"0123456789"[..]);
        let mut byte = [0];
        source.read_exact_at(&mut byte, 4).unwrap();
        assert_eq!(&byte, b"4");
        assert_eq!(source.read_exact_at(&mut byte, 4).unwrap_err().kind(), io::ErrorKind::NotSeekable);
        assert_eq!(source.read_exact_at(&mut byte, 10).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn files_are_read_anywhere_and_not_past_the_end() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let mut source = FileSource::new(&file).unwrap();
        for offset in [0, 70_000, 10, 199_488, 65_500] {
            let mut buffer = [0; 512];
            source.read_exact_at(&mut buffer, offset as u64).unwrap();
            assert_eq!(buffer[..], bytes[offset..offset + 512]);
        }
        let past = source.read_exact_at(&mut [0; 512], 199_489).unwrap_err();
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
    }
}
