//! Where an archive goes: a regular file, whose blocks can be shared and whose holes stay, or a stream.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, OFlags, SeekFrom, fcntl_getfl, fstat, seek};

use super::error::WriteError;
use super::settle::{Kept, settle};
use crate::align::{Alignment, Block};
use crate::transfer::Transferred;

/// Headers and small data are collected up to this many bytes before they are written.
pub(super) const BUFFER: usize = 1024 * 1024;

/// What is at least this long is written from where it lies, not collected.
const DIRECT: usize = 64 * 1024;

/// Zeros from this many bytes on become a hole, where the output can have one.
const HOLE: u64 = 64 * 1024;

/// Bytes in the order of the archive, collected and written.
///
/// Offsets are those of the archive. They are the file's as well, unless the archive was begun anew behind what had been
/// written: then it starts at `base` of the file, and lacks what is `kept` in front of that until it is settled.
#[derive(Debug)]
pub(super) struct Output<'f> {
    sink: Sink<'f>,
    /// Bytes that belong at `written`.
    buffer: Vec<u8>,
    /// In the file.
    written: u64,
    base: u64,
    kept: Vec<Kept>,
    kept_bytes: u64,
}

enum Sink<'f> {
    File(&'f File),
    Stream(Box<dyn Write + 'f>),
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sink::File(file) => file.fmt(formatter),
            Sink::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

impl<'f> Output<'f> {
    /// An open file, from the position it is at. What lies behind that is cut off: holes must read as zeros.
    ///
    /// Pipes and devices are streams, and so are files that only grow (O_APPEND): the kernel clones nothing into
    /// those, and writes to them go to their end whatever offset they name (pwrite(2)).
    pub(super) fn of_file(file: &'f File) -> io::Result<Self> {
        let stat = fstat(file)?;
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_regular || fcntl_getfl(file)?.contains(OFlags::APPEND) {
            return Ok(Output::of_stream(file));
        }
        let position = seek(file.as_fd(), SeekFrom::Current(0))?;
        // BTRFS writes out a file at close if it was ever cut to nothing, even if it was empty before.
        if stat.st_size as u64 > position {
            file.set_len(position)?;
        }
        Ok(Output::new(Sink::File(file), position))
    }

    pub(super) fn of_stream(stream: impl Write + 'f) -> Self {
        Output::new(Sink::Stream(Box::new(stream)), 0)
    }

    fn new(sink: Sink<'f>, written: u64) -> Self {
        Output { sink, buffer: Vec::with_capacity(BUFFER), written, base: 0, kept: Vec::new(), kept_bytes: 0 }
    }

    /// Where the next byte goes.
    pub(super) fn offset(&self) -> u64 {
        self.place_of_next() - self.base + self.kept_bytes
    }

    /// The same in the file.
    pub(super) fn place_of_next(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Begins the archive anew, behind all that is in the file.
    pub(super) fn begin_anew(&mut self, block: Alignment) -> Result<(), WriteError> {
        self.flush()?;
        let offset = self.written;
        let too_large = || WriteError::Output { offset, source: io::ErrorKind::FileTooLarge.into() };
        self.written = block.align_up(offset).ok_or_else(too_large)?;
        self.base = self.written;
        self.kept.clear();
        self.kept_bytes = 0;
        Ok(())
    }

    /// Takes `length` bytes at `place` of the file, in front of `base`, for the next ones. They stay where they are until
    /// [`Output::settle`].
    pub(super) fn keep(&mut self, place: u64, length: u64, moved: Transferred) {
        self.kept.push(Kept { offset: self.offset(), place, length, moved });
        self.kept_bytes += length;
    }

    /// Brings everything to its place, and gives how the data that was kept had moved.
    pub(super) fn settle(&mut self, block: Alignment) -> Result<Transferred, WriteError> {
        self.flush()?;
        let (Sink::File(file), true) = (&self.sink, self.base > 0) else { return Ok(Transferred::default()) };
        let end = self.offset();
        settle(file, self.base, &self.kept, end, block)
            .map_err(|source| WriteError::Output { offset: self.base, source })?;
        let mut moved = Transferred::default();
        self.kept.drain(..).for_each(|kept| moved += kept.moved);
        (self.written, self.base, self.kept_bytes) = (end, 0, 0);
        Ok(moved)
    }

    /// Bytes in the file that [`Output::settle`] may have to move.
    pub(super) fn unsettled_bytes(&self) -> u64 {
        if self.base > 0 { self.place_of_next() - self.base } else { 0 }
    }

    /// Where the byte at `offset` of the archive is in the file; it is none of those that are kept.
    fn place_of(&self, offset: u64) -> u64 {
        let before = self.kept.partition_point(|kept| kept.offset < offset);
        offset + self.base - self.kept[..before].iter().map(|kept| kept.length).sum::<u64>()
    }

    pub(super) fn file(&self) -> Option<&'f File> {
        match self.sink {
            Sink::File(file) => Some(file),
            Sink::Stream(_) => None,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.sink, Sink::File(_))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.len() >= DIRECT {
            self.flush()?;
            return self.write(bytes);
        }
        self.make_room(bytes.len())?;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets `fill` write the next bytes, at most `want` of them and at least one, straight into the buffer; gives how
    /// many. Where it fails, they count as well: zeros, but for what it wrote until then.
    pub(super) fn push_with<E>(
        &mut self,
        want: u64,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(u64, Result<(), E>), WriteError> {
        self.make_room(1)?;
        let start = self.buffer.len();
        let len = want.min((BUFFER - start) as u64) as usize;
        self.buffer.resize(start + len, 0);
        Ok((len as u64, fill(&mut self.buffer[start..])))
    }

    /// Bytes at the end of the buffer, to be filled by `append`; they must be few.
    pub(super) fn push_few(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> Result<(), WriteError> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        append(&mut self.buffer);
        Ok(())
    }

    /// Zeros up to `end`: a hole where there are many.
    pub(super) fn zeros_until(&mut self, end: u64) -> Result<(), WriteError> {
        let gap = end.saturating_sub(self.offset());
        if self.is_file() && gap >= HOLE {
            self.flush()?;
            self.drop_preallocation()?;
            self.written += gap;
            return Ok(());
        }
        while self.offset() < end {
            let want = end - self.offset();
            let (_, Ok(())) = self.push_with(want, |_| Ok::<_, std::convert::Infallible>(()))?;
        }
        Ok(())
    }

    /// Lets `place` put `length` bytes at an offset of the file, by whatever means, perhaps `with_holes`. They count as
    /// written, whatever `place` returns. `None` if the output is not a file.
    pub(super) fn place<T>(
        &mut self,
        length: u64,
        with_holes: bool,
        place: impl FnOnce(&File, u64) -> T,
    ) -> Result<Option<T>, WriteError> {
        self.flush()?;
        if with_holes {
            self.drop_preallocation()?;
        }
        let Sink::File(file) = self.sink else { return Ok(None) };
        let placed = place(file, self.written);
        self.written += length;
        Ok(Some(placed))
    }

    /// Writes what is still in memory.
    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        let buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    /// Puts `block` over what is at `offset`, in the buffer or in the file.
    pub(super) fn rewrite(&mut self, offset: u64, block: &Block) -> Result<(), WriteError> {
        let offset = self.place_of(offset);
        match (offset.checked_sub(self.written), &self.sink) {
            (Some(at), _) => {
                self.buffer[at as usize..][..block.len()].copy_from_slice(block);
                Ok(())
            }
            (None, Sink::File(file)) => {
                file.write_all_at(block, offset).map_err(|source| WriteError::Output { offset, source })
            }
            (None, Sink::Stream(_)) => Err(WriteError::NotAFile { what: "a nested archive" }),
        }
    }

    /// Takes back everything from `offset` on; `false` if a stream has it already.
    pub(super) fn rewind(&mut self, offset: u64) -> Result<bool, WriteError> {
        while let Some(kept) = self.kept.pop_if(|kept| kept.offset >= offset) {
            self.kept_bytes -= kept.length;
        }
        let offset = self.place_of(offset);
        match (offset.checked_sub(self.written), &self.sink) {
            (Some(left), _) => self.buffer.truncate(left as usize),
            (None, Sink::Stream(_)) => return Ok(false),
            (None, Sink::File(file)) => {
                file.set_len(offset).map_err(|source| WriteError::Output { offset, source })?;
                self.buffer.clear();
                self.written = offset;
            }
        }
        Ok(true)
    }

    /// Writes everything, and leaves a file's position behind it; gives the offset. It must be settled.
    pub(super) fn finish(mut self) -> Result<u64, WriteError> {
        self.flush()?;
        let offset = self.written;
        let finished = match self.sink {
            Sink::File(file) => seek(file.as_fd(), SeekFrom::Start(offset)).map(drop).map_err(io::Error::from),
            Sink::Stream(mut stream) => stream.flush(),
        };
        finished.map(|()| offset).map_err(|source| WriteError::Output { offset, source })
    }

    fn make_room(&mut self, len: usize) -> Result<(), WriteError> {
        if self.buffer.len() + len > BUFFER { self.flush() } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = match &mut self.sink {
            Sink::File(file) => file.write_all_at(bytes, self.written),
            Sink::Stream(stream) => stream.write_all(bytes),
        };
        written.map_err(|source| WriteError::Output { offset: self.written, source })?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Frees the blocks that a file system has allocated ahead, before a hole takes their place.
    ///
    /// XFS allocates some 10 MB ahead of a write that extends a file: clones replace those blocks, holes would leave
    /// them in the file. It also starts writing a file out that is cut when it is closed, so nothing is cut otherwise.
    fn drop_preallocation(&mut self) -> Result<(), WriteError> {
        let Sink::File(file) = self.sink else { return Ok(()) };
        file.set_len(self.written).map_err(|source| WriteError::Output { offset: self.written, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use std::os::unix::fs::MetadataExt;

    fn write(output: &mut Output<'_>) {
        output.push(b"head").unwrap();
        output.zeros_until(output.offset() + (3 << 20)).unwrap();
        output.push(&vec![7; 100_000]).unwrap();
        output.zeros_until(output.offset() + 5).unwrap();
        let (len, filled) = output.push_with(2, |mut bytes| bytes.write_all(b"ok")).unwrap();
        assert_eq!((len, filled.is_ok()), (2, true));
        let (_, failed) = output.push_with(3, |_| Err("no")).unwrap();
        assert_eq!(failed, Err("no"));
    }

    #[test]
    fn a_file_and_a_stream_get_the_same_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before, behind").unwrap();
        file.seek(io::SeekFrom::Start(6)).unwrap();
        let mut output = Output::of_file(&file).unwrap();
        write(&mut output);
        let end = output.finish().unwrap();
        assert_eq!((file.stream_position().unwrap(), file.metadata().unwrap().len()), (end, end));
        assert!(file.metadata().unwrap().blocks() * 512 < 1 << 20, "the hole is none");

        let mut stream = Vec::new();
        let mut output = Output::of_stream(&mut stream);
        write(&mut output);
        assert_eq!(output.finish().unwrap(), end - 6);
        let mut in_file = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut in_file).unwrap();
        assert_eq!(&in_file[..6], b"before");
        assert_eq!(in_file[6..], stream);
        assert!(stream.ends_with(b"\0ok\0\0\0"));
    }

    #[test]
    fn a_file_that_only_grows_is_a_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, b"first ").unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        let mut output = Output::of_file(&file).unwrap();
        assert!(!output.is_file());
        output.push(b"second").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first second");
    }
}
