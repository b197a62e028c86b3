//! Writes an aligned archive into a file: headers and small data through a buffer, blocks of data by clone.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::align::{AlignError, Alignment, TAR_BLOCK, padded_len};
use crate::header::{self, Block};
use crate::member::{Kind, Member};
use crate::pax::PAX_BODY_LIMIT;
use crate::transfer::{ClonePolicy, Span, TransferError, Transferred, read_exact_at, transfer};

/// Headers and small data are collected up to this many bytes before they are written.
const BUFFER: usize = 256 * 1024;

/// By how many bytes the file's length stays ahead of what is written, see `Writer::stay_ahead`; it is cut in the end.
const AHEAD: u64 = 1 << 30;

/// Why a member could not be written; the archive is incomplete then.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output's block size is unknown.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// The output could not be written.
    #[error("write the archive at offset {offset}")]
    Output {
        /// In the archive, bytes.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The data of a member could not be moved.
    #[error("member {path:?}")]
    Data {
        /// The member's path.
        path: String,
        /// What happened.
        #[source]
        source: TransferError,
    },
    /// The data of a member could not be read from a stream, or ended early.
    #[error("read the data of member {path:?}")]
    Stream {
        /// The member's path.
        path: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The member's size and its data do not agree, or data was given for a member that has none.
    #[error("member {path:?} says {size} bytes of data, {given} were given")]
    SizeMismatch {
        /// The member's path.
        path: String,
        /// What the member says.
        size: u64,
        /// What was given.
        given: u64,
    },
    /// A path or link target that a tar archive cannot hold: empty, or with a NUL byte.
    #[error("{path:?} is empty or has a NUL byte: no path for an archive")]
    BadPath {
        /// The member's path.
        path: String,
    },
    /// Extended attributes, a path and a link target that together are more than readers take.
    #[error("member {path:?} has extended attributes of {len} bytes, readers of pax headers stop at {limit}")]
    ExtensionsTooLong {
        /// The member's path.
        path: String,
        /// Length of its pax header in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Offsets past `u64::MAX`.
    #[error("member {path:?} does not fit: the archive would be too large")]
    TooLarge {
        /// The member's path.
        path: String,
    },
}

/// How an archive is laid out and its data moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Data of regular files of at least this many bytes starts on a multiple of it; by default the block size of the
    /// output's file system.
    pub alignment: Option<Alignment>,
    /// Whether data may, or must, be cloned; by default it is where possible.
    pub clone_policy: ClonePolicy,
}

/// An archive in the making, in a file that the caller opened.
///
/// It starts at the offset it is told, and is complete only after [`Writer::finish`], which makes its end the file's:
/// until then the file is up to 1 GiB longer, without blocks.
#[derive(Debug)]
pub struct Writer<'f> {
    output: &'f File,
    /// Bytes that belong at `flushed`.
    buffer: Vec<u8>,
    flushed: u64,
    /// Length of the file, which may be more than what is written so far.
    output_len: u64,
    alignment: Alignment,
    /// The unit that the output's file system clones, whatever the layout.
    fs_block: Alignment,
    clone_policy: ClonePolicy,
    moved: Transferred,
    members: u64,
}

impl<'f> Writer<'f> {
    /// An archive that starts at `offset` bytes of `output`, usually 0.
    ///
    /// # Errors
    /// [`WriteError::Alignment`] if the file system does not tell its block size.
    pub fn new(output: &'f File, offset: u64, options: WriteOptions) -> Result<Self, WriteError> {
        let fs_block = Alignment::of(output)?;
        let output_error = |source| WriteError::Output { offset, source };
        let output_len = output.metadata().map_err(output_error)?.len();
        Ok(Writer {
            output,
            buffer: Vec::with_capacity(BUFFER),
            flushed: offset,
            output_len,
            alignment: options.alignment.unwrap_or(fs_block),
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
        if member.size() != data.len() as u64 {
            return Err(WriteError::SizeMismatch {
                path: lossy(&member.path),
                size: member.size(),
                given: data.len() as u64,
            });
        }
        self.begin(member)?;
        self.push(data)?;
        self.pad()
    }

    /// Appends a regular file with the first `member.size()` bytes of `source`: whole blocks by clone, the rest copied.
    ///
    /// # Errors
    /// [`WriteError::Data`] with [`TransferError::SourceShrank`] if the source is shorter; others as they come.
    pub fn append_file(&mut self, member: &Member, source: &File) -> Result<(), WriteError> {
        self.append_file_at(member, source, 0)
    }

    /// As [`Writer::append_file`], with the data that starts at `offset` of `source`: a member of another archive.
    ///
    /// # Errors
    /// As [`Writer::append_file`].
    pub fn append_file_at(&mut self, member: &Member, source: &File, offset: u64) -> Result<(), WriteError> {
        self.begin(member)?;
        let size = member.size();
        let in_place = self.fs_block.align_down(size);
        let data_error = |source| WriteError::Data { path: lossy(&member.path), source };
        if in_place > 0 {
            self.flush()?;
            self.stay_ahead(in_place)?;
            let span = Span { source_offset: offset, target_offset: self.flushed, length: in_place };
            self.moved += transfer(source, self.output, span, self.fs_block, self.clone_policy).map_err(data_error)?;
            self.flushed += in_place;
        }
        // The tail shares its block with the header behind it: cloned, it would be copied on the next write.
        let tail = usize::try_from(size - in_place).expect("a tail is shorter than a block");
        let start = self.buffer.len();
        self.buffer.resize(start + tail, 0);
        read_exact_at(source, &mut self.buffer[start..], offset + in_place).map_err(data_error)?;
        self.moved.copied_bytes += tail as u64;
        self.pad()
    }

    /// Appends a regular file with the next `member.size()` bytes of `source`, copied.
    ///
    /// # Errors
    /// [`WriteError::Stream`] if the source fails or ends early.
    pub fn append_stream(&mut self, member: &Member, source: &mut dyn Read) -> Result<(), WriteError> {
        self.begin(member)?;
        let mut left = member.size();
        while left > 0 {
            self.make_room()?;
            let start = self.buffer.len();
            let want = left.min((BUFFER - start) as u64) as usize;
            self.buffer.resize(start + want, 0);
            source
                .read_exact(&mut self.buffer[start..])
                .map_err(|source| WriteError::Stream { path: lossy(&member.path), source })?;
            left -= want as u64;
        }
        self.moved.copied_bytes += member.size();
        self.pad()
    }

    /// Appends a regular file that is an archive itself, written in place by `fill`: its members' data lies on blocks
    /// of this file too. The size in `member` does not count; it is filled in at the end.
    ///
    /// # Errors
    /// What `fill` gives, or [`WriteError`] as `E`.
    pub fn append_nested<T, E: From<WriteError>>(
        &mut self,
        member: &Member,
        fill: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        // Not of size 0, so that the nested archive itself starts on a block.
        let member = Member { kind: Kind::Regular { size: self.alignment.bytes() }, ..member.clone() };
        let header = self.begin(&member)?;
        let header_offset = self.offset() - TAR_BLOCK;
        let data_offset = self.offset();
        let filled = fill(self)?;
        self.push_end_of_archive()?;
        let size = self.offset() - data_offset;
        self.rewrite(header_offset, &header::with_size(&header, size))?;
        Ok(filled)
    }

    /// Writes the end-of-archive marker and everything still in memory, and cuts the file there; gives the offset behind
    /// the archive and the counts. Nothing is synced.
    ///
    /// # Errors
    /// [`WriteError::Output`].
    pub fn finish(mut self) -> Result<Written, WriteError> {
        self.push_end_of_archive()?;
        self.flush()?;
        self.output.set_len(self.flushed).map_err(|source| WriteError::Output { offset: self.flushed, source })?;
        Ok(Written { end: self.flushed, moved: self.moved, members: self.members })
    }

    /// Where the next member's header goes, in bytes of the output.
    pub fn offset(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// How the data moved so far.
    pub fn moved(&self) -> Transferred {
        self.moved
    }

    /// Members so far, those of nested archives included.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// Writes the headers of `member`, padded so that its data lies right, and gives its own.
    fn begin(&mut self, member: &Member) -> Result<Block, WriteError> {
        check_path(member)?;
        let mut records = header::pax_records(member);
        if member.size() >= self.alignment.bytes() {
            let too_large = || WriteError::TooLarge { path: lossy(&member.path) };
            records.pad(self.offset(), self.alignment).ok_or_else(too_large)?;
        }
        let (len, limit) = (records.as_bytes().len() as u64, PAX_BODY_LIMIT);
        if len > limit {
            return Err(WriteError::ExtensionsTooLong { path: lossy(&member.path), len, limit });
        }
        if !records.as_bytes().is_empty() {
            self.push(&header::pax_header(&records))?;
            self.push(records.as_bytes())?;
            self.pad()?;
        }
        let header = header::member_header(member);
        self.push(&header)?;
        self.members += 1;
        Ok(header)
    }

    /// Fills the last tar block with zeros.
    fn pad(&mut self) -> Result<(), WriteError> {
        let offset = self.offset();
        let end = padded_len(offset).ok_or_else(|| WriteError::TooLarge { path: String::new() })?;
        self.push(&[0; TAR_BLOCK as usize][..(end - offset) as usize])
    }

    /// Two blocks of zeros (POSIX pax, "ustar Interchange Format").
    fn push_end_of_archive(&mut self) -> Result<(), WriteError> {
        self.push(&[0; 2 * TAR_BLOCK as usize])
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if bytes.len() >= BUFFER {
            self.flush()?;
            return self.write(bytes);
        }
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), WriteError> {
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Writes what is still in memory, so that a full disk shows now.
    ///
    /// # Errors
    /// [`WriteError::Output`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file longer than the next `length` bytes need.
    ///
    /// XFS allocates some 10 MB ahead of a write that extends a file. Clones take the place of those blocks; where a
    /// hole follows instead they would stay, unused. So no write may be the one that extends.
    fn stay_ahead(&mut self, length: u64) -> Result<(), WriteError> {
        let end = self.flushed + length;
        if end > self.output_len {
            self.output_len = end + AHEAD;
            let extended = self.output.set_len(self.output_len);
            extended.map_err(|source| WriteError::Output { offset: self.flushed, source })?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.stay_ahead(bytes.len() as u64)?;
        let output_error = |source| WriteError::Output { offset: self.flushed, source };
        self.output.write_all_at(bytes, self.flushed).map_err(output_error)?;
        self.flushed += bytes.len() as u64;
        Ok(())
    }

    /// Puts `block` over what is at `offset`, in the buffer or in the file.
    fn rewrite(&mut self, offset: u64, block: &Block) -> Result<(), WriteError> {
        match offset.checked_sub(self.flushed) {
            Some(at) => {
                self.buffer[at as usize..][..block.len()].copy_from_slice(block);
                Ok(())
            }
            None => self.output.write_all_at(block, offset).map_err(|source| WriteError::Output { offset, source }),
        }
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

fn check_path(member: &Member) -> Result<(), WriteError> {
    let is_bad = |path: &[u8]| path.is_empty() || path.contains(&0);
    let target_is_bad = match &member.kind {
        Kind::HardLink { target } | Kind::Symlink { target } => is_bad(target),
        _ => false,
    };
    if is_bad(&member.path) || target_is_bad {
        return Err(WriteError::BadPath { path: lossy(&member.path) });
    }
    Ok(())
}

/// A path for people to read.
pub(crate) fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
