//! Members whose data lies in a file: whole blocks by clone where that is worth the call, the rest through the buffer.

use std::fs::File;

use super::archive::Writer;
use super::error::WriteError;
use super::layout::filling;
use crate::entry::Entry;
use crate::member::Member;
use crate::shown::lossy;
use crate::transfer::{ClonePolicy, Span, TransferError, may_have_holes, read_exact_at, transfer};

/// Data from this many bytes on is cloned under [`ClonePolicy::IfPossible`]; less is copied.
///
/// Time for one of 2,000 files of a size, packed with all else that a file costs; µs, best of 7, kernel 6.18, 2 cores:
///
/// | KiB | BTRFS, cloned | copied | XFS, cloned | copied |
/// |---|---|---|---|---|
/// | 4 | 37 | 21 | 50 | 10 |
/// | 16 | 41 | 41 | 47 | 15 |
/// | 32 | 40 | 58 | 46 | 25 |
/// | 64 | 38 | 102 | 52 | 61 |
/// | 128 | 40 | 197 | 55 | 79 |
///
/// Between the two break-even points the space that a clone saves is worth the rest.
pub(crate) const CLONE_FROM: u64 = 32 * 1024;

impl Writer<'_> {
    /// Appends a regular file with the first `member.size()` bytes of `source`: whole blocks by clone, the rest copied.
    ///
    /// # Errors
    /// [`WriteError::Source`] if the source is shorter or cannot be read; others when the archive cannot be written.
    pub fn append_file(&mut self, member: &Member, source: &File) -> Result<(), WriteError> {
        if self.is_in_passes(member) {
            return self.append_in_passes(member, source);
        }
        self.append_file_at(member, source, 0)
    }

    /// As [`Writer::append_file`], with the data that starts at `offset` of `source`: a member of another archive.
    ///
    /// # Errors
    /// As [`Writer::append_file`].
    pub fn append_file_at(&mut self, member: &Member, source: &File, offset: u64) -> Result<(), WriteError> {
        let whole = Span { source_offset: offset, target_offset: 0, length: member.size() };
        self.append_spans(member, source, &[whole])
    }

    /// As [`Writer::append_file`], with the data in pieces: `target_offset` counts from the file's first byte, pieces
    /// are in its order. What no piece covers is zeros, or a hole where the output can have one.
    ///
    /// # Errors
    /// As [`Writer::append_file`]; [`WriteError::SizeMismatch`] for pieces out of order or past the member's size.
    pub fn append_spans(&mut self, member: &Member, source: &File, spans: &[Span]) -> Result<(), WriteError> {
        let size = member.size();
        check_spans(spans, size).map_err(|given| WriteError::SizeMismatch {
            path: lossy(&member.path),
            size,
            given,
        })?;
        self.begin(member)?;
        self.append_data(member, source, spans)
    }

    /// Appends the data of a member whose headers are written.
    pub(super) fn append_data(&mut self, member: &Member, source: &File, spans: &[Span]) -> Result<(), WriteError> {
        let (size, start) = (member.size(), self.output.offset());
        let mut taken = Ok(());
        for span in spans {
            self.output.zeros_until(start + span.target_offset)?;
            if taken.is_ok() {
                taken = self.append_span(source, span.source_offset, span.length)?;
            }
        }
        self.output.zeros_until(start + size)?;
        self.output.push(filling(size))?;
        taken.map_err(|source| data_error(member, source))
    }

    /// Appends a member of the archive in `archive`: data by clone where it lies on blocks, sparse files sparse.
    ///
    /// # Errors
    /// As [`Writer::append_file`].
    pub fn append_entry(&mut self, entry: &Entry, archive: &File) -> Result<(), WriteError> {
        self.append_spans(&entry.member, archive, &entry.data_spans().collect::<Vec<_>>())
    }

    /// Appends `length` bytes of `source`: whole blocks to the file they belong in, the rest through the buffer. A tail
    /// shares its block with the header behind it: cloned, it would be copied on the next write.
    fn append_span(
        &mut self,
        source: &File,
        offset: u64,
        length: u64,
    ) -> Result<Result<(), TransferError>, WriteError> {
        let in_place = if self.goes_in_place(length) { self.fs_block.align_down(length) } else { 0 };
        if in_place > 0 {
            let (fs_block, policy) = (self.fs_block, self.clone_policy);
            let has_holes = may_have_holes(source).unwrap_or(true);
            let placed = self.output.place(in_place, has_holes, |output, target_offset| {
                let span = Span { source_offset: offset, target_offset, length: in_place };
                transfer(source, output, span, fs_block, policy)
            })?;
            match placed.expect("goes_in_place() says that the output is a file") {
                Ok(moved) => self.moved += moved,
                Err(error) => return Ok(Err(error)),
            }
        }
        self.copy(source, offset + in_place, length - in_place)
    }

    fn goes_in_place(&self, length: u64) -> bool {
        self.output.is_file() && (length >= CLONE_FROM || self.clone_policy == ClonePolicy::Required)
    }

    pub(super) fn copy(
        &mut self,
        source: &File,
        mut offset: u64,
        length: u64,
    ) -> Result<Result<(), TransferError>, WriteError> {
        let end = offset + length;
        while offset < end {
            let (len, read) = self.output.push_with(end - offset, |bytes| read_exact_at(source, bytes, offset))?;
            if read.is_err() {
                return Ok(read);
            }
            self.moved.copied_bytes += len;
            offset += len;
        }
        Ok(Ok(()))
    }
}

/// Where the first span ends that is out of order, or past the end.
fn check_spans(spans: &[Span], size: u64) -> Result<(), u64> {
    spans.iter().try_fold(0, |end, span| match span.target_offset.checked_add(span.length) {
        Some(next) if span.target_offset >= end && next <= size => Ok(next),
        Some(next) => Err(next),
        None => Err(u64::MAX),
    })?;
    Ok(())
}

/// A source that fails leaves zeros; a target that fails leaves no archive.
pub(super) fn data_error(member: &Member, source: TransferError) -> WriteError {
    let path = lossy(&member.path);
    match source {
        TransferError::SourceShrank { .. } | TransferError::Read { .. } => WriteError::Source { path, source },
        _ => WriteError::Data { path, source },
    }
}
