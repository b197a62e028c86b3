//! Writes an aligned archive: headers and small data through a buffer, blocks of data by clone.

mod error;
mod layout;
mod output;

use std::fs::File;
use std::io::{self, Read, Write};

use crate::align::{Alignment, TAR_BLOCK};
use crate::entry::Entry;
use crate::header;
use crate::member::{Kind, Member};
use crate::transfer::{ClonePolicy, Span, TransferError, Transferred, may_have_holes, read_exact_at, transfer};
pub use error::WriteError;
pub(crate) use error::lossy;
pub use layout::Padding;
pub(crate) use layout::{Layout, filling};
use output::Output;

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

/// How an archive is laid out and its data moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Data of regular files of at least this many bytes starts on a multiple of it; by default the block size of the
    /// output's file system, 4096 bytes where the output is a stream.
    pub alignment: Option<Alignment>,
    /// What stands in front of aligned data.
    pub padding: Padding,
    /// Whether data may, or must, be cloned; by default it is where possible and worth the call.
    pub clone_policy: ClonePolicy,
}

/// An archive in the making. It is complete only after [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<'f> {
    output: Output<'f>,
    layout: Layout,
    /// The unit that the output's file system clones, whatever the layout.
    fs_block: Alignment,
    clone_policy: ClonePolicy,
    moved: Transferred,
    members: u64,
}

impl<'f> Writer<'f> {
    /// An archive in a file that the caller opened, from the position it is at to the file's end: what was behind the
    /// position is cut off.
    ///
    /// A pipe, a device, or a file opened with O_APPEND is written as [`Writer::to_stream`] does.
    ///
    /// # Errors
    /// [`WriteError::Alignment`] if the file system does not tell its block size, [`WriteError::Output`] if the file
    /// cannot be written, [`WriteError::NotAFile`] under [`ClonePolicy::Required`] if it is no regular file.
    pub fn new(output: &'f File, options: WriteOptions) -> Result<Self, WriteError> {
        let fs_block = Alignment::of(output)?;
        let output = Output::of_file(output).map_err(|source| WriteError::Output { offset: 0, source })?;
        Writer::with(output, fs_block, options)
    }

    /// An archive that goes forward only: the same bytes, copied. Offsets, and so the alignment, count from its start.
    ///
    /// # Errors
    /// [`WriteError::NotAFile`] under [`ClonePolicy::Required`].
    pub fn to_stream(stream: impl Write + 'f, options: WriteOptions) -> Result<Self, WriteError> {
        Writer::with(Output::of_stream(stream), Alignment::DEFAULT, options)
    }

    fn with(output: Output<'f>, fs_block: Alignment, options: WriteOptions) -> Result<Self, WriteError> {
        if options.clone_policy == ClonePolicy::Required && !output.is_file() {
            return Err(WriteError::NotAFile { what: "cloning" });
        }
        let fs_block = if output.is_file() { fs_block } else { Alignment::DEFAULT };
        Ok(Writer {
            output,
            layout: Layout { alignment: options.alignment.unwrap_or(fs_block), padding: options.padding },
            fs_block,
            clone_policy: options.clone_policy,
            moved: Transferred::default(),
            members: 0,
        })
    }

    /// Appends a member that has no data: anything but a regular file with a size.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn append(&mut self, member: &Member) -> Result<(), WriteError> {
        self.append_bytes(member, b"")
    }

    /// Appends a regular file whose data is in memory.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn append_bytes(&mut self, member: &Member, data: &[u8]) -> Result<(), WriteError> {
        let (size, given) = (member.size(), data.len() as u64);
        if size != given {
            return Err(WriteError::SizeMismatch { path: lossy(&member.path), size, given });
        }
        self.begin(member)?;
        self.output.push(data)?;
        self.output.push(filling(size))
    }

    /// Appends a regular file with the first `member.size()` bytes of `source`: whole blocks by clone, the rest copied.
    ///
    /// # Errors
    /// [`WriteError::Source`] if the source is shorter or cannot be read; others as they come.
    pub fn append_file(&mut self, member: &Member, source: &File) -> Result<(), WriteError> {
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
    /// are in its order, and what none of them covers is zeros, a hole where the output can have one.
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
        let start = self.output.offset();
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

    /// Appends a regular file with the next `member.size()` bytes of `source`, copied.
    ///
    /// # Errors
    /// [`WriteError::Stream`] if the source fails or ends early.
    pub fn append_stream(&mut self, member: &Member, source: &mut dyn Read) -> Result<(), WriteError> {
        self.begin(member)?;
        let (mut left, mut taken) = (member.size(), Ok(()));
        while left > 0 && taken.is_ok() {
            let (len, read) = self.output.push_with(left, |bytes| source.read_exact(bytes))?;
            (left, taken) = (left - len, read);
        }
        self.output.zeros_until(self.output.offset() + left)?;
        self.moved.copied_bytes += member.size();
        self.output.push(filling(member.size()))?;
        taken.map_err(|source: io::Error| WriteError::Stream { path: lossy(&member.path), source })
    }

    /// Appends a regular file that is an archive itself, written in place by `fill`: its members' data lies on blocks
    /// of this file too. The size in `member` does not count; it is filled in at the end.
    ///
    /// # Errors
    /// What `fill` gives, or [`WriteError`] as `E`; [`WriteError::NotAFile`] where the output is a stream.
    pub fn append_nested<T, E: From<WriteError>>(
        &mut self,
        member: &Member,
        fill: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.output.is_file() {
            return Err(WriteError::NotAFile { what: "a nested archive" }.into());
        }
        // Not of size 0, so that the nested archive itself starts on a block.
        let member = Member { kind: Kind::Regular { size: self.layout.alignment.bytes() }, ..member.clone() };
        let header = self.begin(&member)?;
        let data_offset = self.output.offset();
        let filled = fill(self)?;
        self.push_end_of_archive()?;
        let size = self.output.offset() - data_offset;
        self.output.rewrite(data_offset - TAR_BLOCK, &header::with_size(&header, size))?;
        Ok(filled)
    }

    /// As [`Writer::append_bytes`], with data that was read from a file: it counts as copied.
    pub(crate) fn append_copied(&mut self, member: &Member, data: &[u8]) -> Result<(), WriteError> {
        self.append_bytes(member, data)?;
        self.moved.copied_bytes += data.len() as u64;
        Ok(())
    }

    /// Appends members that were laid out already, with headers and data; they must not need alignment.
    pub(crate) fn append_encoded(&mut self, bytes: &[u8], members: u64, copied_bytes: u64) -> Result<(), WriteError> {
        self.output.push(bytes)?;
        self.members += members;
        self.moved.copied_bytes += copied_bytes;
        Ok(())
    }

    /// Writes the end-of-archive marker and everything still in memory. A file's position is behind the archive then.
    /// Nothing is synced.
    ///
    /// # Errors
    /// [`WriteError::Output`].
    pub fn finish(mut self) -> Result<Written, WriteError> {
        self.push_end_of_archive()?;
        let end = self.output.finish()?;
        Ok(Written { end, moved: self.moved, members: self.members })
    }

    /// Writes what is still in memory, so that a full disk shows now.
    ///
    /// # Errors
    /// [`WriteError::Output`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.output.flush()
    }

    /// Where the next member's header goes, in bytes of the output.
    pub fn offset(&self) -> u64 {
        self.output.offset()
    }

    /// How the data moved so far.
    pub fn moved(&self) -> Transferred {
        self.moved
    }

    /// Members so far, those of nested archives included.
    pub fn members(&self) -> u64 {
        self.members
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn clone_policy(&self) -> ClonePolicy {
        self.clone_policy
    }

    /// Writes the headers of `member`, padded so that its data lies right, and gives its own.
    fn begin(&mut self, member: &Member) -> Result<header::Block, WriteError> {
        let (layout, offset) = (self.layout, self.output.offset());
        let mut header = Err(WriteError::BadPath { path: String::new() });
        self.output.push_few(|bytes| header = layout.push_headers(member, offset, bytes))?;
        let header = header?;
        self.members += 1;
        Ok(header)
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

    fn copy(&mut self, source: &File, mut offset: u64, length: u64) -> Result<Result<(), TransferError>, WriteError> {
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

    /// Two blocks of zeros (POSIX pax, "ustar Interchange Format").
    fn push_end_of_archive(&mut self) -> Result<(), WriteError> {
        self.output.push(&[0; 2 * TAR_BLOCK as usize])
    }
}

/// A finished archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Offset behind the archive, bytes.
    pub end: u64,
    /// How the data moved.
    pub moved: Transferred,
    /// Members, those of nested archives included.
    pub members: u64,
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
fn data_error(member: &Member, source: TransferError) -> WriteError {
    let path = lossy(&member.path);
    match source {
        TransferError::SourceShrank { .. } | TransferError::Read { .. } => WriteError::Source { path, source },
        _ => WriteError::Data { path, source },
    }
}
