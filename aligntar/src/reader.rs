//! Reads an archive's members: where each header and its data lie, and what they say.

mod data;
mod error;
mod limits;
mod member;

use std::fs::File;
use std::io;

use crate::align::{TAR_BLOCK, padded_len};
use crate::compressed::Compression;
use crate::entry::{DataSpan, Entry};
use crate::header::Block;
use crate::member::Kind;
use crate::parse::{ParsedHeader, parse};
use crate::pax::{PaxExtensions, SparseRecords};
use crate::source::{FileSource, Source};
use crate::sparse::lines::MapLines;
use crate::sparse::old::OldMap;
use crate::sparse::{SparseError, checked};
pub use data::EntryData;
pub use error::ReadError;
pub use limits::Limits;
use member::{Pending, member};

/// Whether an archive may end without the blocks of zeros that POSIX wants there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndMarker {
    /// It may end behind any member, as it may for GNU tar, bsdtar and Python.
    #[default]
    Optional,
    /// One block of zeros at least: without it the archive counts as cut off, [`ReadError::Truncated`].
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
/// | `x`, `X`, `g`, `L`, `K` | extensions; pax wins over GNU, the last wins over the one before |
/// | `V` (volume label), dummies (`3` without a path) | stepped over |
/// | `M` (rest of a file from another volume) | [`ReadError::Unsupported`] |
/// | any other | regular file, as POSIX says |
///
/// A regular file's data is as long as the `size` record says, else the header. For `1` to `6` POSIX knows no data,
/// yet some writers put a size there without data, others data with a size. What a `size` record says is stepped over,
/// as in GNU tar and bsdtar; what a header says, and for directories a record, only if no header follows at once.
///
/// A block of zeros ends the archive, whatever follows it.
#[derive(Debug)]
pub struct Reader<S> {
    source: S,
    limits: Limits,
    end_marker: EndMarker,
    next: u64,
    start: u64,
    /// Offset behind the archive, where it is known.
    end: Option<u64>,
    global: PaxExtensions,
    /// The block that was read last.
    block: Block,
    /// Whether that is the one at `next`, read before its time.
    is_ahead: bool,
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
        let end = source.archive_len();
        let (global, end_marker) = (PaxExtensions::default(), EndMarker::default());
        Reader {
            source,
            limits,
            end_marker,
            next: 0,
            start: 0,
            end,
            global,
            block: [0; 512],
            is_ahead: false,
            end_marker_offset: None,
            ended: false,
        }
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
    fn within(mut self, entry: &Entry) -> Self {
        self.start = entry.data_offset;
        self.next = entry.data_offset;
        self.end = Some(entry.data_offset + entry.stored_len);
        self
    }

    /// The archive that is the data of `entry`, which [`Reader::next_entry`] gave last; when that is read, this reader
    /// goes on behind it. Any depth of them is of one type.
    pub(crate) fn nested(&mut self, entry: &Entry) -> Reader<&mut dyn Source> {
        let source: &mut dyn Source = &mut self.source;
        Reader::new(source, self.limits).within(entry)
    }

    /// The next member; `None` behind the last one.
    ///
    /// # Errors
    /// [`ReadError`]; the reader is of no use after one.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut pending = Pending::at(self.next);
        let mut headers = 0;
        while !self.ended {
            let offset = self.next;
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
                    self.skip_data(header.size)?;
                    pending = Pending::at(self.next);
                }
                // The padding of podman pull request 25050: a device without a name.
                b'3' if header.path.is_empty() && pending.is_empty() => pending = Pending::at(self.next),
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
        EntryData::new(&mut self.source, entry)
    }

    /// The source, for who takes data from it otherwise than [`Reader::data`] does: [`Unpacker`](crate::Unpacker).
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source, to be used again.
    pub fn into_source(self) -> S {
        self.source
    }

    /// Where the next member's first header is; behind the last one, where the archive ends.
    pub fn offset(&self) -> u64 {
        self.next
    }

    /// Where the block of zeros is that has ended the archive; `None` if there was none.
    pub fn end_marker_offset(&self) -> Option<u64> {
        self.end_marker_offset
    }

    /// Whether the archive begins with a header, or with its end marker.
    pub(crate) fn begins_with_header(&mut self) -> Result<bool, ReadError> {
        self.is_ahead = self.next_block()?;
        Ok(self.is_ahead && parse(&self.block).is_ok())
    }

    /// The next header; `None` at the end of the archive.
    fn next_header(&mut self, pending: &Pending) -> Result<Option<ParsedHeader>, ReadError> {
        let offset = self.next;
        let may_end = offset > self.start && self.end_marker == EndMarker::Optional;
        let header = match self.next_block()? {
            false if may_end => None,
            false => return Err(ReadError::Truncated { offset }),
            true => {
                self.next = offset + TAR_BLOCK;
                parse(&self.block).map_err(|source| match Compression::of(&self.block) {
                    _ if offset != self.start => ReadError::Header { offset, source },
                    Some(compression) => ReadError::Compressed(compression),
                    None => ReadError::NotAnArchive(source),
                })?
            }
        };
        match header {
            // Extensions without a member: that one is missing.
            None if !pending.is_empty() => Err(ReadError::Truncated { offset }),
            None => {
                self.end_marker_offset = (self.next > offset).then_some(offset);
                Ok(None)
            }
            header => Ok(header),
        }
    }

    /// Reads the block at `next`; `false` if the archive ends right before it.
    fn next_block(&mut self) -> Result<bool, ReadError> {
        if std::mem::take(&mut self.is_ahead) {
            return Ok(true);
        }
        let offset = self.next;
        let len = TAR_BLOCK.min(self.left(offset)) as usize;
        let read = self.source.read_up_to_at(&mut self.block[..len], offset);
        match read.map_err(|source| io_error(offset, source))? {
            0 => Ok(false),
            len if len == self.block.len() => Ok(true),
            len => Err(match Compression::of(&self.block[..len]) {
                Some(compression) if self.next == self.start => ReadError::Compressed(compression),
                _ => ReadError::Truncated { offset: self.next + len as u64 },
            }),
        }
    }

    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.source.read_exact_at(buffer, offset).map_err(|source| io_error(offset, source))
    }

    /// Fills `buffer` from `offset` as far as the archive goes.
    pub(crate) fn read_up_to(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        let len = buffer.len().min(usize::try_from(self.left(offset)).unwrap_or(usize::MAX));
        self.source.read_up_to_at(&mut buffer[..len], offset).map_err(|source| io_error(offset, source))
    }

    /// Bytes of the archive from `offset` on, as far as they are known.
    fn left(&self, offset: u64) -> u64 {
        self.end.map_or(u64::MAX, |end| end.saturating_sub(offset))
    }

    /// Reads the data behind an extension's header, which must be short, and steps over it.
    fn body(
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
        self.read(&mut body, data_offset)?;
        Ok(body)
    }

    fn pax(&mut self, offset: u64, header: &ParsedHeader) -> Result<PaxExtensions, ReadError> {
        let body = self.body(offset, header, "pax header", self.limits.pax_body_bytes)?;
        PaxExtensions::parse(&body).map_err(|source| ReadError::Pax { offset, source })
    }

    fn global_pax(&mut self, offset: u64, header: &ParsedHeader) -> Result<PaxExtensions, ReadError> {
        let body = self.body(offset, header, "global pax header", self.limits.global_body_bytes)?;
        PaxExtensions::parse_global(&body).map_err(|source| ReadError::Pax { offset, source })
    }

    fn gnu_name(&mut self, offset: u64, header: &ParsedHeader) -> Result<Vec<u8>, ReadError> {
        let mut name = self.body(offset, header, "GNU long name", self.limits.gnu_name_bytes)?;
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(len);
        Ok(name)
    }

    /// Steps over `size` bytes of data and their filling; they must lie inside the archive.
    fn skip_data(&mut self, size: u64) -> Result<(), ReadError> {
        let offset = self.next;
        let end = padded_len(size).and_then(|len| offset.checked_add(len)).ok_or(ReadError::Truncated { offset })?;
        if self.end.is_some_and(|archive_end| end > archive_end) {
            return Err(ReadError::Truncated { offset });
        }
        self.next = end;
        Ok(())
    }

    fn entry(&mut self, offset: u64, header: ParsedHeader, pending: Pending) -> Result<Entry, ReadError> {
        let header_offset = pending.header_offset;
        let mut extensions = pending.into_extensions(&self.global);
        let records = extensions.sparse.take();
        let is_old_sparse = header.typeflag == b'S';
        let mut stored_len = self.stored_len(&header, extensions.size)?;
        let mut member = member(offset, header, extensions)?;
        let mut sparse = None;
        if let Kind::Regular { size } = &mut member.kind {
            let map = match records {
                _ if is_old_sparse => self.old_map(stored_len),
                Some(records) => self.pax_map(*records, &mut stored_len),
                None => Ok(None),
            };
            let map = map.map_err(|failure| failure.of(offset, &member.path))?;
            (*size, sparse) = map.map_or((stored_len, None), |(size, spans)| (size, Some(spans)));
        }
        let data_offset = self.next;
        self.skip_data(stored_len)?;
        Ok(Entry { member, header_offset, data_offset, stored_len, sparse })
    }

    /// Bytes of data that follow `header`.
    fn stored_len(&mut self, header: &ParsedHeader, size_record: Option<u64>) -> Result<u64, ReadError> {
        let size = size_record.unwrap_or(header.size);
        let is_doubtful = match header.typeflag {
            b'1'..=b'4' | b'6' => size_record.is_none(),
            typeflag => typeflag == b'5',
        };
        let has_none = is_doubtful && size > 0 && self.header_follows()?;
        Ok(if has_none { 0 } else { size })
    }

    /// Whether the next block is a header, or the end of the archive.
    fn header_follows(&mut self) -> Result<bool, ReadError> {
        let is_block = self.next_block()?;
        self.is_ahead = is_block && parse(&self.block).is_ok();
        Ok(self.is_ahead || !is_block)
    }

    /// Size and map of a typeflag `S` member; steps over its extension blocks.
    fn old_map(&mut self, stored_len: u64) -> Result<SizeAndMap, MapFailure> {
        let mut map = OldMap::begin(&self.block, self.limits.sparse_spans)?;
        while map.is_extended {
            map.extend(self.map_block()?)?;
        }
        Ok(Some((map.real_size, checked(map.spans, map.real_size, stored_len)?)))
    }

    /// Size and map of a member with `GNU.sparse.*` records; steps over a map in the data.
    fn pax_map(&mut self, records: SparseRecords, stored_len: &mut u64) -> Result<SizeAndMap, MapFailure> {
        let spans = match records.version {
            (0, _) => records.map,
            (1, 0) => Some(self.map_lines(stored_len)?),
            version => return Err(SparseError::Version(version).into()),
        };
        let Some(spans) = spans else { return Ok(None) };
        let size = records.real_size.unwrap_or(*stored_len);
        let limit = self.limits.sparse_spans;
        if spans.len() as u64 > limit {
            return Err(SparseError::TooManySpans { limit }.into());
        }
        Ok(Some((size, checked(spans, size, *stored_len)?)))
    }

    fn map_lines(&mut self, stored_len: &mut u64) -> Result<Vec<DataSpan>, MapFailure> {
        let mut map = MapLines::default();
        let limit = self.limits.sparse_spans;
        loop {
            let is_whole = map.feed(self.map_block()?, limit)?;
            *stored_len = stored_len.checked_sub(TAR_BLOCK).ok_or(SparseError::Cut)?;
            if is_whole {
                return Ok(map.spans);
            }
        }
    }

    fn map_block(&mut self) -> Result<&Block, ReadError> {
        let offset = self.next;
        if !self.next_block()? {
            return Err(ReadError::Truncated { offset });
        }
        self.next = offset + TAR_BLOCK;
        Ok(&self.block)
    }
}

/// A source that ended too early is an archive that did.
fn io_error(offset: u64, source: io::Error) -> ReadError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated { offset },
        _ => ReadError::Io { offset, source },
    }
}

/// Size of a sparse file and where its data belongs; `None` if it is not sparse.
type SizeAndMap = Option<(u64, Vec<DataSpan>)>;

/// Why there is no map: the archive cannot be read, or it makes no sense.
enum MapFailure {
    Read(ReadError),
    Sparse(SparseError),
}

impl From<ReadError> for MapFailure {
    fn from(error: ReadError) -> Self {
        MapFailure::Read(error)
    }
}

impl From<SparseError> for MapFailure {
    fn from(error: SparseError) -> Self {
        MapFailure::Sparse(error)
    }
}

impl MapFailure {
    fn of(self, offset: u64, path: &[u8]) -> ReadError {
        match self {
            MapFailure::Read(error) => error,
            MapFailure::Sparse(source) => ReadError::Sparse { offset, path: crate::writer::lossy(path), source },
        }
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
