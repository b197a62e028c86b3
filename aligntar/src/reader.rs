//! Reads the members of an archive: what each header says, and where the header and the data lie.

mod blocks;
mod data;
mod error;
mod limits;
mod maps;
mod member;

use std::fs::File;

use crate::compressed::Compression;
use crate::entry::Entry;
use crate::member::Kind;
use crate::parse::{ParsedHeader, parse};
use crate::pax::PaxExtensions;
use crate::source::{FileSource, Source};
use blocks::Blocks;
pub use data::EntryData;
pub use error::ReadError;
pub use limits::Limits;
use maps::{old_map, pax_map};
use member::{Pending, member};

/// Whether an archive may end without the blocks of zeros that POSIX wants there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndMarker {
    /// It may end behind any member, as it may for GNU tar, bsdtar and Python.
    #[default]
    Optional,
    /// At least one block of zeros. Without it the archive counts as cut off: [`ReadError::Truncated`].
    Required,
}

/// The members of an archive, one after the other.
///
/// | what | how it is read |
/// |---|---|
/// | v7, ustar, pax, GNU, star | one and the same, in any mix |
/// | path | from `GNU.sparse.name`, else `path`, else GNU `L`, else the header |
/// | typeflags `0`, `7`, NUL | regular file; a directory if the path ends in a slash |
/// | `1` to `6` | as POSIX says; `D` (GNU's dump of a directory) is a directory |
/// | `S`, and `GNU.sparse.*` | sparse file, see [`Entry::sparse`] |
/// | attributes | from `SCHILY.xattr.*`, else `LIBARCHIVE.xattr.*`; ACLs from `SCHILY.acl.*` before both, unless it names somebody without an ID |
/// | mode | its nine bits are those of the access ACL, if there is one |
/// | `x`, `X`, `g`, `L`, `K` | extensions; pax wins over GNU, the last wins over the one before |
/// | `V` (volume label), dummies (`3` without a path) | stepped over |
/// | `M` (rest of a file from another volume) | [`ReadError::Unsupported`] |
/// | any other | regular file, as POSIX says |
///
/// The data of a regular file is as long as the `size` record says, or else the header. In POSIX, `2` to `6` and
/// directories by their slash have no data. Some writers put a size there without data, others a size with data: such
/// data is stepped over only if no header follows at once. In pax, hard links may have data if a `size` record says so.
/// A size that only their header has is doubted in the same way.
///
/// A block of zeros ends the archive, whatever follows it.
#[derive(Debug)]
pub struct Reader<S> {
    blocks: Blocks<S>,
    limits: Limits,
    end_marker: EndMarker,
    global: PaxExtensions,
    end_marker_offset: Option<u64>,
    ended: bool,
}

impl<'f> Reader<FileSource<'f>> {
    /// The archive that fills `file`.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the file's size is unknown.
    pub fn open(file: &'f File) -> Result<Self, ReadError> {
        let source = FileSource::new(file).map_err(|source| ReadError::Io { offset: 0, source })?;
        Ok(Reader::new(source, Limits::default()))
    }

    /// The archive that is the data of `entry`, a member of the archive in `file`.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the file's size is unknown.
    pub fn open_nested(file: &'f File, entry: &Entry) -> Result<Self, ReadError> {
        Ok(Reader::open(file)?.within(entry))
    }
}

impl<S: Source> Reader<S> {
    /// The archive that `source` starts with.
    pub fn new(source: S, limits: Limits) -> Self {
        let (end_marker, global) = (EndMarker::default(), PaxExtensions::default());
        Reader { blocks: Blocks::new(source), limits, end_marker, global, end_marker_offset: None, ended: false }
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Reader { limits, ..self }
    }

    /// The same, and whether the archive must have an end marker.
    pub fn with_end_marker(self, end_marker: EndMarker) -> Self {
        Reader { end_marker, ..self }
    }

    /// The same source, but the archive is the data of `entry`.
    fn within(self, entry: &Entry) -> Self {
        Reader { blocks: self.blocks.within(entry.data_offset, entry.stored_len), ..self }
    }

    /// The archive that is the data of `entry`, which [`Reader::next_entry`] gave last; when that is read, this reader
    /// goes on behind it. Any depth of them is of one type.
    pub(crate) fn nested(&mut self, entry: &Entry) -> Reader<&mut dyn Source> {
        let source: &mut dyn Source = &mut self.blocks.source;
        Reader::new(source, self.limits).within(entry)
    }

    /// The next member; `None` behind the last one.
    ///
    /// # Errors
    /// [`ReadError`]. After one, the reader cannot go on.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut pending = Pending::at(self.blocks.next);
        let mut headers = 0;
        while !self.ended {
            let offset = self.blocks.next;
            let Some(header) = self.next_header(&pending)? else {
                self.ended = true;
                break;
            };
            match header.typeflag {
                b'x' | b'X' => pending.local = Some(self.pax(offset, &header)?),
                b'g' => self.global = self.global_pax(offset, &header)?.or(&self.global),
                b'L' => pending.path = Some(self.gnu_name(offset, &header)?),
                b'K' => pending.linkname = Some(self.gnu_name(offset, &header)?),
                b'V' => {
                    self.blocks.skip_data(header.size)?;
                    pending = Pending::at(self.blocks.next);
                }
                // The padding of podman pull request 25050: a device without a name.
                b'3' if header.path.is_empty() && !pending.has_path() => pending = Pending::at(self.blocks.next),
                _ => return self.entry(offset, header, pending).map(Some),
            }
            headers += 1;
            if headers > self.limits.headers_per_member {
                return Err(ReadError::TooManyHeaders { offset, limit: self.limits.headers_per_member });
            }
        }
        Ok(None)
    }

    /// Reads the data of `entry`; from a stream only before the next entry is asked for, and only once.
    /// Holes read as zeros.
    pub fn data<'r>(&'r mut self, entry: &'r Entry) -> EntryData<'r, S> {
        EntryData::new(&mut self.blocks.source, entry)
    }

    /// The source, for callers that take data from it themselves, as for [`Unpacker`](crate::Unpacker).
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.blocks.source
    }

    /// The source, to be used again.
    pub fn into_source(self) -> S {
        self.blocks.source
    }

    /// Where the next member's first header is; behind the last one, where the archive ends.
    pub fn offset(&self) -> u64 {
        self.blocks.next
    }

    /// Where the block of zeros is that has ended the archive; `None` if there was none.
    pub fn end_marker_offset(&self) -> Option<u64> {
        self.end_marker_offset
    }

    /// Whether the archive begins with a header, or with its end marker.
    pub(crate) fn begins_with_header(&mut self) -> Result<bool, ReadError> {
        Ok(self.blocks.header_follows()?.unwrap_or(false))
    }

    /// Fills `buffer` from `offset` as far as the archive goes.
    pub(crate) fn read_up_to(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        self.blocks.read_up_to(buffer, offset)
    }

    /// The next header; `None` at the end of the archive.
    fn next_header(&mut self, pending: &Pending) -> Result<Option<ParsedHeader>, ReadError> {
        let offset = self.blocks.next;
        let start = self.blocks.start;
        let may_end = offset > start && self.end_marker == EndMarker::Optional;
        let header = match self.blocks.advance()? {
            None if may_end => None,
            None => return Err(ReadError::Truncated { offset }),
            Some(block) => parse(block).map_err(|source| match Compression::of(block) {
                _ if offset != start => ReadError::Header { offset, source },
                Some(compression) => ReadError::Compressed(compression),
                None => ReadError::NotAnArchive(source),
            })?,
        };
        match header {
            // Extensions without a member: that one is missing.
            None if !pending.is_empty() => Err(ReadError::Truncated { offset }),
            None => {
                self.end_marker_offset = (self.blocks.next > offset).then_some(offset);
                Ok(None)
            }
            header => Ok(header),
        }
    }

    fn pax(&mut self, offset: u64, header: &ParsedHeader) -> Result<PaxExtensions, ReadError> {
        let body = self.blocks.body(offset, header, "pax header", self.limits.pax_body_bytes)?;
        PaxExtensions::parse(&body).map_err(|source| ReadError::Pax { offset, source })
    }

    fn global_pax(&mut self, offset: u64, header: &ParsedHeader) -> Result<PaxExtensions, ReadError> {
        let body = self.blocks.body(offset, header, "global pax header", self.limits.global_body_bytes)?;
        PaxExtensions::parse_global(&body).map_err(|source| ReadError::Pax { offset, source })
    }

    fn gnu_name(&mut self, offset: u64, header: &ParsedHeader) -> Result<Vec<u8>, ReadError> {
        let mut name = self.blocks.body(offset, header, "GNU long name", self.limits.gnu_name_bytes)?;
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(len);
        Ok(name)
    }

    fn entry(&mut self, offset: u64, header: ParsedHeader, pending: Pending) -> Result<Entry, ReadError> {
        let header_offset = pending.header_offset;
        let mut extensions = pending.into_extensions(&self.global);
        let records = extensions.sparse.take();
        let (typeflag, size_record) = (header.typeflag, extensions.size);
        let size = size_record.unwrap_or(header.size);
        let mut member = member(offset, header, extensions)?;
        let mut stored_len = if self.has_data(&member.kind, typeflag, size, size_record)? { size } else { 0 };
        let mut sparse = None;
        if let Kind::Regular { size } = &mut member.kind {
            let limit = self.limits.sparse_spans;
            let map = match records {
                _ if typeflag == b'S' => old_map(&mut self.blocks, stored_len, limit),
                Some(records) => pax_map(&mut self.blocks, *records, &mut stored_len, limit),
                None => Ok(None),
            };
            let map = map.map_err(|failure| failure.of(offset, &member.path))?;
            (*size, sparse) = map.map_or((stored_len, None), |(size, spans)| (size, Some(spans)));
        }
        let data_offset = self.blocks.next;
        self.blocks.skip_data(stored_len)?;
        Ok(Entry { member, header_offset, data_offset, stored_len, sparse })
    }

    /// Whether `size` bytes of data follow the header. Some archives have data behind members of other kinds as well.
    fn has_data(&mut self, kind: &Kind, typeflag: u8, size: u64, size_record: Option<u64>) -> Result<bool, ReadError> {
        Ok(match kind {
            _ if size == 0 => false,
            Kind::Regular { .. } => true,
            Kind::HardLink { .. } if size_record.is_some() => true,
            Kind::Directory if typeflag == b'D' => true,
            // At the end there is none, either.
            _ => !self.blocks.header_follows()?.unwrap_or(true),
        })
    }
}

impl<S: Source> Iterator for Reader<S> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.next_entry().transpose();
        self.ended |= matches!(entry, Some(Err(_)));
        entry
    }
}
