//! Where an archive is read from: a file at any offset, or a stream that only goes forward.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes of an archive by their offsets.
pub trait Source {
    /// Fills `buffer` with the bytes from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the archive ends before; what the medium says else.
    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Length in bytes, where it is known beforehand.
    fn archive_len(&self) -> Option<u64>;
}

/// Bytes read at once, in the hope that the next headers are among them.
const WINDOW: usize = 64 * 1024;

/// An archive in a file; headers are read through a window, so that small members cost no call each.
#[derive(Debug)]
pub struct FileSource<'f> {
    file: &'f File,
    len: u64,
    window: Vec<u8>,
    window_offset: u64,
}

impl<'f> FileSource<'f> {
    /// The whole of `file`.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn new(file: &'f File) -> io::Result<Self> {
        Ok(FileSource { file, len: file.metadata()?.len(), window: Vec::new(), window_offset: 0 })
    }

    fn fill_window(&mut self, offset: u64) -> io::Result<()> {
        let want = self.len.saturating_sub(offset).min(WINDOW as u64) as usize;
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
    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.len() >= WINDOW {
            return self.file.read_exact_at(buffer, offset);
        }
        let holds = |source: &Self| {
            let at = offset.checked_sub(source.window_offset)? as usize;
            source.window.get(at..at.checked_add(buffer.len())?).map(|_| at)
        };
        let at = match holds(self) {
            Some(at) => at,
            None => {
                self.fill_window(offset)?;
                holds(self).ok_or(io::ErrorKind::UnexpectedEof)?
            }
        };
        buffer.copy_from_slice(&self.window[at..at + buffer.len()]);
        Ok(())
    }

    fn archive_len(&self) -> Option<u64> {
        Some(self.len)
    }
}

/// An archive that arrives: a pipe, or a decompressor. What is skipped is read and dropped.
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
    fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let skip = offset.checked_sub(self.position).ok_or(io::ErrorKind::NotSeekable)?;
        let skipped = io::copy(&mut self.stream.by_ref().take(skip), &mut io::sink())?;
        self.position += skipped;
        if skipped < skip {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.stream.read_exact(buffer)?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn archive_len(&self) -> Option<u64> {
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
