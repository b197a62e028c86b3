//! Members whose data comes from a stream: it goes through memory, and long runs of zeros become holes.

use std::io::{self, Read};

use super::archive::Writer;
use super::error::WriteError;
use super::layout::filling;
use crate::entry::Entry;
use crate::member::Member;
use crate::shown::lossy;
use crate::source::Source;

/// Zeros of this length become a hole, at multiples of it in the data. In bytes.
const PIECE: usize = 64 * 1024;
static ZEROS: [u8; PIECE] = [0; PIECE];

impl Writer<'_> {
    /// Appends a regular file with the next `member.size()` bytes of `source`, copied. Long runs of zeros become holes
    /// where the output can have them.
    ///
    /// # Errors
    /// [`WriteError::Stream`] if the source fails or ends early.
    pub fn append_stream(&mut self, member: &Member, source: &mut dyn Read) -> Result<(), WriteError> {
        self.begin(member)?;
        let start = self.output.offset();
        let taken = self.push_data(member.size(), |bytes, _| source.read_exact(bytes))?;
        self.end_data(member, start, taken)
    }

    /// Appends the member `entry` of the archive that `source` reads, whether that is a file or a stream. Data is copied;
    /// holes of a sparse member are holes where the output can have them.
    ///
    /// # Errors
    /// As [`Writer::append_stream`].
    pub fn append_entry_from(&mut self, entry: &Entry, source: &mut impl Source) -> Result<(), WriteError> {
        self.begin(&entry.member)?;
        let start = self.output.offset();
        let mut taken = Ok(());
        for span in entry.data_spans() {
            self.zeros_until(start + span.target_offset)?;
            let read = |bytes: &mut [u8], done| source.read_exact_at(bytes, span.source_offset + done);
            taken = self.push_data(span.length, read)?;
            if taken.is_err() {
                break;
            }
        }
        self.end_data(&entry.member, start, taken)
    }

    /// Pushes `length` bytes that `read` gives, which learns how many there were before. The inner error is of `read`.
    fn push_data(
        &mut self,
        length: u64,
        mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    ) -> Result<io::Result<()>, WriteError> {
        let start = self.output.offset();
        let mut piece = Vec::new();
        let mut done = 0;
        while length - done >= PIECE as u64 {
            piece.resize(PIECE, 0);
            if let Err(error) = read(&mut piece, done) {
                return Ok(Err(error));
            }
            if piece != ZEROS {
                self.zeros_until(start + done)?;
                self.output.push(&piece)?;
                self.moved.copied_bytes += PIECE as u64;
            }
            done += PIECE as u64;
        }
        self.zeros_until(start + done)?;
        while done < length {
            let (len, taken) = self.output.push_with(length - done, |bytes| read(bytes, done))?;
            self.moved.copied_bytes += len;
            if taken.is_err() {
                return Ok(taken);
            }
            done += len;
        }
        Ok(Ok(()))
    }

    /// Ends the data of `member`, which began at `start`; what was not `taken` is a hole. A stream would get zeros, perhaps
    /// without end: it ends there.
    fn end_data(&mut self, member: &Member, start: u64, taken: io::Result<()>) -> Result<(), WriteError> {
        if taken.is_err() && !self.output.is_file() {
            return taken.map_err(|source| WriteError::Stream { path: lossy(&member.path), source });
        }
        self.zeros_until(start + member.size())?;
        self.output.push(filling(member.size()))?;
        taken.map_err(|source| WriteError::Stream { path: lossy(&member.path), source })
    }

    fn zeros_until(&mut self, end: u64) -> Result<(), WriteError> {
        let zeros = end.saturating_sub(self.output.offset());
        match self.output.is_file() {
            true => self.moved.hole_bytes += zeros,
            false => self.moved.copied_bytes += zeros,
        }
        self.output.zeros_until(end)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;
    use crate::{Kind, Reader, WriteOptions};

    #[test]
    fn long_runs_of_zeros_become_holes() -> Result<(), Box<dyn std::error::Error>> {
        let mut data = vec![0; 4 << 20];
        data[3 << 20..][..5].copy_from_slice(b"bytes");
        let size = data.len() as u64;
        let (file, mut streamed) = (tempfile::tempfile()?, Vec::new());
        for is_file in [true, false] {
            let options = WriteOptions::default();
            let mut writer =
                if is_file { Writer::new(&file, options)? } else { Writer::to_stream(&mut streamed, options)? };
            writer.append_stream(&Member::new("x", Kind::Regular { size }, 0o644), &mut &data[..])?;
            let moved = writer.finish()?.moved;
            let copied = if is_file { PIECE as u64 } else { size };
            assert_eq!((moved.copied_bytes, moved.hole_bytes), (copied, size - copied));
        }
        assert!(file.metadata()?.blocks() * 512 < 1 << 20);
        let mut bytes = vec![1; streamed.len()];
        file.read_exact_at(&mut bytes, 0)?;
        assert!(bytes == streamed);
        let entry = Reader::open(&file)?.next_entry()?.expect("a member");
        file.read_exact_at(&mut bytes[..data.len()], entry.data_offset)?;
        assert!(bytes[..data.len()] == data);
        Ok(())
    }

    #[test]
    fn what_ends_early_is_an_error_and_the_archive_goes_on() -> Result<(), Box<dyn std::error::Error>> {
        for len in [10, PIECE + 10, 3 * PIECE] {
            let file = tempfile::tempfile()?;
            let mut writer = Writer::new(&file, WriteOptions::default())?;
            let member = Member::new("x", Kind::Regular { size: 200_000 }, 0o644);
            let appended = writer.append_stream(&member, &mut &vec![7; len][..]);
            assert!(matches!(appended, Err(WriteError::Stream { .. })), "{len}");
            writer.append_bytes(&Member::new("y", Kind::Regular { size: 1 }, 0o644), b"y")?;
            writer.finish()?;
            let sizes: Result<Vec<_>, _> =
                Reader::open(&file)?.map(|entry| entry.map(|entry| entry.member.size())).collect();
            assert_eq!(sizes?, [200_000, 1]);
        }
        Ok(())
    }
}
