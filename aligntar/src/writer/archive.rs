//! The archive in the making: members with data in memory or from a stream, nested archives, and the end.

use std::fs::File;
use std::io::Write;

use super::error::WriteError;
use super::layout::{Layout, Padding, filling};
use super::output::Output;
use super::slots::Slots;
use crate::align::{Alignment, Block, TAR_BLOCK};
use crate::header;
use crate::member::{Kind, Member};
use crate::shown::lossy;
use crate::transfer::{ClonePolicy, Transferred};

/// How an archive is laid out and its data moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// The data of regular files that have at least this many bytes starts on a multiple of it. By default this is the
    /// block size of the output's file system, or 4096 bytes where the output is a stream.
    pub alignment: Option<Alignment>,
    /// What stands in front of aligned data.
    pub padding: Padding,
    /// Whether data may, or must, be cloned; by default it is where possible and worth the call.
    pub clone_policy: ClonePolicy,
}

/// An archive in the making. It is complete only after [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<'f> {
    pub(super) output: Output<'f>,
    pub(super) layout: Layout,
    /// The unit that the output's file system clones, whatever the layout.
    pub(super) fs_block: Alignment,
    pub(super) clone_policy: ClonePolicy,
    pub(super) moved: Transferred,
    pub(super) members: u64,
    /// What passes before have left in the output; none where it is made at once.
    pub(super) slots: Option<Slots>,
}

impl<'f> Writer<'f> {
    /// An archive in a file that the caller opened. It begins at the file's position; what was behind that is cut off.
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

    /// An archive in a stream: the same bytes, all copied. Offsets, and so the alignment, count from its start.
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
            slots: None,
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

    /// Appends a regular file that is itself an archive, which `fill` writes in place. The data of its members lies on
    /// blocks of this file too. The size in `member` does not count: the right one is filled in at the end.
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

    /// Writes the end-of-archive marker and everything still in memory. The file's position is then behind the archive.
    /// This syncs nothing.
    ///
    /// # Errors
    /// [`WriteError::Output`].
    pub fn finish(mut self) -> Result<Written, WriteError> {
        self.push_end_of_archive()?;
        self.settle()?;
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

    /// Where the archive stands, to come back to by [`Writer::rewind`].
    pub(crate) fn mark(&self) -> Mark {
        Mark { offset: self.offset(), moved: self.moved, members: self.members }
    }

    /// Takes back what was appended since `mark`; `false` if that is gone for good, as in a stream.
    pub(crate) fn rewind(&mut self, mark: Mark) -> Result<bool, WriteError> {
        let rewound = self.output.rewind(mark.offset)?;
        if rewound {
            self.forget_from(self.output.place_of_next());
            (self.moved, self.members) = (mark.moved, mark.members);
        }
        Ok(rewound)
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
    pub(super) fn begin(&mut self, member: &Member) -> Result<Block, WriteError> {
        let (layout, offset) = (self.layout, self.output.offset());
        // As no file can be.
        if offset.checked_add(member.size()).is_none_or(|end| i64::try_from(end).is_err()) {
            return Err(WriteError::TooLarge { path: lossy(&member.path) });
        }
        let mut header = Err(WriteError::BadPath { path: lossy(b"") });
        self.output.push_few(|bytes| header = layout.push_headers(member, offset, bytes))?;
        let header = header?;
        self.members += 1;
        Ok(header)
    }

    /// Two blocks of zeros (POSIX pax, "ustar Interchange Format").
    fn push_end_of_archive(&mut self) -> Result<(), WriteError> {
        self.output.push(&[0; 2 * TAR_BLOCK as usize])
    }
}

/// A place between two members of an archive in the making.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    offset: u64,
    moved: Transferred,
    members: u64,
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
