//! Reads an archive's members: where each header and its data lie, and what they say.

use std::fs::File;
use std::io::{self, Read};

use crate::align::{TAR_BLOCK, padded_len};
use crate::member::{Kind, Member, Timestamp};
use crate::parse::{HeaderError, ParsedHeader, parse};
use crate::pax::{PAX_BODY_LIMIT, PaxError, PaxExtensions};
use crate::source::{FileSource, Source};
use crate::transfer::Span;

/// Why an archive cannot be read on; offsets count bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The very first block is no header.
    #[error("not a tar archive")]
    NotAnArchive(#[source] HeaderError),
    /// A block that should be a header is none.
    #[error("damaged header at offset {offset}")]
    Header {
        /// Where the block is.
        offset: u64,
        /// What is wrong.
        #[source]
        source: HeaderError,
    },
    /// An extended header is broken.
    #[error("damaged pax header at offset {offset}")]
    Pax {
        /// Where its header block is.
        offset: u64,
        /// What is wrong.
        #[source]
        source: PaxError,
    },
    /// The archive ends inside a member, or without its end marker.
    #[error("truncated: the archive ends at offset {offset}, in the middle of a member or without its end marker")]
    Truncated {
        /// Where bytes are missing.
        offset: u64,
    },
    /// Something is longer than [`Limits`] allow.
    #[error("{what} of {len} bytes at offset {offset} is over the limit of {limit} bytes")]
    TooLong {
        /// Where its header block is.
        offset: u64,
        /// What it is.
        what: &'static str,
        /// Its length.
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// A member of a kind that is not read.
    #[error("member {path:?} at offset {offset} is of a kind that cannot be read: {what}")]
    Unsupported {
        /// Where its header block is.
        offset: u64,
        /// The member's path.
        path: String,
        /// The kind.
        what: String,
    },
    /// The medium failed.
    #[error("read at offset {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
}

/// Bounds on what an untrusted archive can make a reader allocate.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Body of one pax extended header, bytes. Default 1 MiB, where Go's and libarchive's readers stop too.
    pub pax_body_bytes: u64,
    /// A name in a GNU `L` or `K` member, bytes. Default 64 KiB, sixteen times Linux' PATH_MAX.
    pub gnu_name_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { pax_body_bytes: PAX_BODY_LIMIT, gnu_name_bytes: 64 << 10 }
    }
}

/// One member, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the headers say.
    pub member: Member,
    /// Offset of the first header block that belongs to it, extended headers included.
    pub header_offset: u64,
    /// Offset of its data.
    pub data_offset: u64,
    /// Bytes of data that follow there, without the filling to a tar block: the member's size unless it is sparse.
    pub stored_len: u64,
    /// Where the data belongs in a sparse file, rising and without overlap; what lies between is holes. The spans
    /// follow each other from `data_offset` on. `None`: the data is the file as it is.
    pub sparse: Option<Vec<DataSpan>>,
}

impl Entry {
    /// Where the data lies in the archive and where it belongs in the file, from the first byte to the last.
    pub fn data_spans(&self) -> impl Iterator<Item = Span> {
        let whole = self.sparse.is_none().then_some(DataSpan { offset: 0, length: self.stored_len });
        let spans = whole.into_iter().chain(self.sparse.iter().flatten().copied());
        let mut source_offset = self.data_offset;
        spans.map(move |DataSpan { offset, length }| {
            let span = Span { source_offset, target_offset: offset, length };
            source_offset += length;
            span
        })
    }
}

/// A range of a sparse file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSpan {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// The members of an archive, one after the other.
#[derive(Debug)]
pub struct Reader<S> {
    source: S,
    limits: Limits,
    next: u64,
    start: u64,
    /// Offset behind the archive, where it is known.
    end: Option<u64>,
    global: PaxExtensions,
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
        let mut reader = Reader::open(file)?;
        reader.start = entry.data_offset;
        reader.next = entry.data_offset;
        reader.end = Some(entry.data_offset + entry.member.size());
        Ok(reader)
    }
}

impl<S: Source> Reader<S> {
    /// The archive that `source` starts with.
    pub fn new(source: S, limits: Limits) -> Self {
        let end = source.archive_len();
        Reader { source, limits, next: 0, start: 0, end, global: PaxExtensions::default(), ended: false }
    }

    /// The next member; `None` behind the last one, once the end marker has been seen.
    ///
    /// # Errors
    /// [`ReadError`]; the reader is of no use after one.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let header_offset = self.next;
        let mut pending = Pending::default();
        while !self.ended {
            let offset = self.next;
            let Some(header) = self.next_header()? else {
                self.ended = true;
                break;
            };
            match header.typeflag {
                b'x' | b'X' => pending.local = self.pax(offset, &header)?,
                b'g' => self.global = self.pax(offset, &header)?.or(&self.global),
                b'L' => pending.path = Some(self.gnu_name(offset, &header)?),
                b'K' => pending.linkname = Some(self.gnu_name(offset, &header)?),
                // The padding of podman pull request 25050: a device without a name.
                b'3' if header.path.is_empty() => {}
                _ => return self.entry(header_offset, header, pending).map(Some),
            }
        }
        Ok(None)
    }

    /// Reads the data of `entry`; from a stream only before the next entry is asked for, and only once.
    /// Holes read as zeros.
    pub fn data<'r>(&'r mut self, entry: &'r Entry) -> EntryData<'r, S> {
        EntryData { source: &mut self.source, entry, offset: 0, stored_offset: entry.data_offset, spans_done: 0 }
    }

    /// The source, to be used again.
    pub fn into_source(self) -> S {
        self.source
    }

    fn next_header(&mut self) -> Result<Option<ParsedHeader>, ReadError> {
        let offset = self.next;
        let mut block = [0; TAR_BLOCK as usize];
        self.read(&mut block, offset)?;
        self.next = offset + TAR_BLOCK;
        parse(&block).map_err(|source| match offset == self.start {
            true => ReadError::NotAnArchive(source),
            false => ReadError::Header { offset, source },
        })
    }

    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        if self.end.is_some_and(|end| offset + buffer.len() as u64 > end) {
            return Err(ReadError::Truncated { offset });
        }
        self.source.read_exact_at(buffer, offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Truncated { offset },
            _ => ReadError::Io { offset, source },
        })
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
        let mut body = vec![0; len as usize];
        self.read(&mut body, self.next)?;
        self.skip_data(len)?;
        Ok(body)
    }

    fn pax(&mut self, offset: u64, header: &ParsedHeader) -> Result<PaxExtensions, ReadError> {
        let body = self.body(offset, header, "pax header", self.limits.pax_body_bytes)?;
        PaxExtensions::parse(&body).map_err(|source| ReadError::Pax { offset, source })
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

    fn entry(&mut self, header_offset: u64, header: ParsedHeader, pending: Pending) -> Result<Entry, ReadError> {
        let offset = self.next - TAR_BLOCK;
        let mut extensions = pending.local.or(&self.global);
        extensions.path = extensions.path.or(pending.path);
        extensions.linkpath = extensions.linkpath.or(pending.linkname);
        let member = member(offset, header, extensions)?;
        let data_offset = self.next;
        let stored_len = member.size();
        self.skip_data(stored_len)?;
        Ok(Entry { member, header_offset, data_offset, stored_len, sparse: None })
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

/// Extensions that wait for the member they belong to.
#[derive(Default)]
struct Pending {
    local: PaxExtensions,
    path: Option<Vec<u8>>,
    linkname: Option<Vec<u8>>,
}

fn member(offset: u64, header: ParsedHeader, extensions: PaxExtensions) -> Result<Member, ReadError> {
    let mut path = extensions.path.unwrap_or(header.path);
    let unsupported =
        |path: &[u8], what: String| ReadError::Unsupported { offset, path: crate::writer::lossy(path), what };
    if extensions.gnu_sparse {
        return Err(unsupported(&path, "sparse file in a GNU pax format".into()));
    }
    let linkname = extensions.linkpath.unwrap_or(header.linkname);
    let size = extensions.size.unwrap_or(header.size);
    let (major, minor) = (header.devmajor, header.devminor);
    let kind = match header.typeflag {
        // v7 had no typeflag for directories, only the slash.
        0 | b'0' if path.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' => Kind::Regular { size },
        b'1' => Kind::HardLink { target: trim_slashes(linkname) },
        b'2' => Kind::Symlink { target: linkname },
        b'3' => Kind::CharDevice { major, minor },
        b'4' => Kind::BlockDevice { major, minor },
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        typeflag => return Err(unsupported(&path, format!("typeflag {:?}", typeflag as char))),
    };
    path = trim_slashes(path);
    let mtime = extensions.mtime.unwrap_or(Timestamp { secs: header.mtime, nanos: 0 });
    let (uid, gid) = (extensions.uid.unwrap_or(header.uid), extensions.gid.unwrap_or(header.gid));
    Ok(Member {
        path,
        kind,
        mode: header.mode,
        uid,
        gid,
        uname: extensions.uname.unwrap_or(header.uname),
        gname: extensions.gname.unwrap_or(header.gname),
        mtime,
        xattrs: extensions.xattrs,
        records: extensions.records,
    })
}

/// Without slashes at the end, and without `./` in front; what is left of the root itself is `.`.
fn trim_slashes(path: Vec<u8>) -> Vec<u8> {
    let mut trimmed = &path[..];
    while let Some(shorter) = trimmed.strip_suffix(b"/") {
        trimmed = shorter;
    }
    while let Some(shorter) = trimmed.strip_prefix(b"./") {
        trimmed = shorter;
    }
    if trimmed.is_empty() && !path.is_empty() { b".".to_vec() } else { trimmed.to_vec() }
}

/// The data of one member, holes as zeros.
#[derive(Debug)]
pub struct EntryData<'r, S> {
    source: &'r mut S,
    entry: &'r Entry,
    /// In the file, bytes.
    offset: u64,
    /// In the archive, bytes: the data that comes next.
    stored_offset: u64,
    /// Spans of the sparse map that lie before `offset`.
    spans_done: usize,
}

impl<S> EntryData<'_, S> {
    /// What comes next in the file: whether it is a hole, and up to where it goes.
    fn run(&mut self) -> (bool, u64) {
        let size = self.entry.member.size();
        let Some(spans) = &self.entry.sparse else { return (false, size) };
        while spans.get(self.spans_done).is_some_and(|span| span.offset + span.length <= self.offset) {
            self.spans_done += 1;
        }
        match spans.get(self.spans_done) {
            Some(span) if span.offset <= self.offset => (false, span.offset + span.length),
            Some(span) => (true, span.offset),
            None => (true, size),
        }
    }
}

impl<S: Source> Read for EntryData<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (is_hole, end) = self.run();
        let len = buffer.len().min(usize::try_from(end - self.offset).unwrap_or(usize::MAX));
        if is_hole {
            buffer[..len].fill(0);
        } else {
            self.source.read_exact_at(&mut buffer[..len], self.stored_offset)?;
            self.stored_offset += len as u64;
        }
        self.offset += len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::StreamSource;

    #[test]
    fn holes_are_read_as_zeros() {
        let member = Member::new("sparse", Kind::Regular { size: 12 }, 0o644);
        let sparse = Some([(1, 2), (3, 0), (5, 3)].map(|(offset, length)| DataSpan { offset, length }).to_vec());
        let entry = Entry { member, header_offset: 0, data_offset: 4, stored_len: 5, sparse };
        let mut reader = Reader::new(StreamSource::new(&b"....abcdefgh"[..]), Limits::default());
        let mut data = Vec::new();
        reader.data(&entry).read_to_end(&mut data).unwrap();
        assert_eq!(data, b"\0ab\0\0cde\0\0\0\0");
    }
}
