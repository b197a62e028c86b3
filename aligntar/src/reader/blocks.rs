//! The blocks of an archive, one after the other.

use std::io;

use super::error::ReadError;
use crate::align::Block;
use crate::align::{TAR_BLOCK, padded_len};
use crate::compressed::Compression;
use crate::parse::{ParsedHeader, parse};
use crate::source::Source;

/// A position in an archive, and the block that was read last.
#[derive(Debug)]
pub(super) struct Blocks<S> {
    pub(super) source: S,
    /// Where the next block is.
    pub(super) next: u64,
    /// Where the archive begins.
    pub(super) start: u64,
    /// Offset behind the archive, where it is known.
    end: Option<u64>,
    pub(super) block: Block,
    /// Whether that is the block at `next`, which was read ahead.
    is_ahead: bool,
}

impl<S: Source> Blocks<S> {
    pub(super) fn new(source: S) -> Self {
        let end = source.archive_len();
        Blocks { source, next: 0, start: 0, end, block: [0; TAR_BLOCK as usize], is_ahead: false }
    }

    /// Those of `len` bytes from `start` on.
    pub(super) fn within(self, start: u64, len: u64) -> Self {
        Blocks { start, next: start, end: Some(start + len), ..self }
    }

    /// Reads the next block and steps over it; `None` if the archive ends right before it.
    pub(super) fn advance(&mut self) -> Result<Option<&Block>, ReadError> {
        if !self.look_ahead()? {
            return Ok(None);
        }
        self.is_ahead = false;
        self.next += TAR_BLOCK;
        Ok(Some(&self.block))
    }

    /// Reads the next block without stepping over it; `false` if the archive ends right before it.
    fn look_ahead(&mut self) -> Result<bool, ReadError> {
        if self.is_ahead {
            return Ok(true);
        }
        let offset = self.next;
        let len = TAR_BLOCK.min(self.left(offset)) as usize;
        let read = self.source.read_up_to_at(&mut self.block[..len], offset);
        match read.map_err(|source| io_error(offset, source))? {
            0 => Ok(false),
            len if len == self.block.len() => {
                self.is_ahead = true;
                Ok(true)
            }
            len => Err(match Compression::of(&self.block[..len]) {
                Some(compression) if offset == self.start => ReadError::Compressed(compression),
                _ => ReadError::Truncated { offset: offset + len as u64 },
            }),
        }
    }

    /// Whether the next block is a header, or a block of zeros; `None` if the archive ends right before it.
    pub(super) fn header_follows(&mut self) -> Result<Option<bool>, ReadError> {
        Ok(self.look_ahead()?.then(|| parse(&self.block).is_ok()))
    }

    /// Fills `buffer` from `offset` as far as the archive goes.
    pub(super) fn read_up_to(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        let len = buffer.len().min(usize::try_from(self.left(offset)).unwrap_or(usize::MAX));
        self.source.read_up_to_at(&mut buffer[..len], offset).map_err(|source| io_error(offset, source))
    }

    /// Bytes of the archive from `offset` on, as far as they are known.
    fn left(&self, offset: u64) -> u64 {
        self.end.map_or(u64::MAX, |end| end.saturating_sub(offset))
    }

    /// Reads the data behind an extension's header, which must be of at most `limit` bytes, and steps over it.
    pub(super) fn body(
        &mut self,
        offset: u64,
        header: &ParsedHeader,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let len = header.size;
        if len > limit {
            return Err(ReadError::TooLong { offset, what, len, limit });
        }
        let data_offset = self.next;
        self.skip_data(len)?;
        let mut body = vec![0; len as usize];
        let read = self.source.read_exact_at(&mut body, data_offset);
        read.map_err(|source| io_error(data_offset, source))?;
        Ok(body)
    }

    /// Steps over `size` bytes of data and their filling; they must lie inside the archive.
    pub(super) fn skip_data(&mut self, size: u64) -> Result<(), ReadError> {
        let offset = self.next;
        let end = padded_len(size).and_then(|len| offset.checked_add(len)).ok_or(ReadError::Truncated { offset })?;
        if self.end.is_some_and(|archive_end| end > archive_end) {
            return Err(ReadError::Truncated { offset });
        }
        if size > 0 {
            // A block that was read ahead belongs to the data.
            self.is_ahead = false;
        }
        self.next = end;
        Ok(())
    }
}

/// If the source ended too early, so did the archive.
fn io_error(offset: u64, source: io::Error) -> ReadError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated { offset },
        _ => ReadError::Io { offset, source },
    }
}
