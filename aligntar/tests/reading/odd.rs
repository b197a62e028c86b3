//! Archives that no sane writer makes, block by block, and all ways to read them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use aligntar::{Entry, Kind, Limits, PaxBody, ReadError, Reader, StreamSource};

/// A header block, ustar unless told otherwise.
#[derive(Clone)]
pub(crate) struct Header([u8; 512]);

impl Header {
    pub(crate) fn new(name: &str, typeflag: u8, size: u64) -> Self {
        let header = Header([0; 512]).put(0, name.as_bytes()).put(100, b"0000644\0").put(108, b"0000001\0");
        let header = header.put(116, b"0000002\0").put(124, format!("{size:011o}\0").as_bytes());
        header.put(136, b"00000000003\0").put(156, &[typeflag]).put(257, b"ustar\x0000")
    }

    pub(crate) fn gnu(self) -> Self {
        self.put(257, b"ustar  \0")
    }

    pub(crate) fn v7(self) -> Self {
        self.put(257, &[0; 8])
    }

    /// `bytes` at `offset` of the block.
    pub(crate) fn put(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The block with its checksum, of signed or unsigned bytes.
    fn block(mut self, value: impl Fn(u8) -> i32) -> [u8; 512] {
        self.0[148..156].fill(b' ');
        let sum: i32 = self.0.iter().map(|&byte| value(byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

/// An archive while it is put together.
#[derive(Clone, Default)]
pub(crate) struct Archive(pub(crate) Vec<u8>);

impl Archive {
    pub(crate) fn header(self, header: Header) -> Self {
        self.raw(&header.block(i32::from))
    }

    pub(crate) fn header_with_signed_sum(self, header: Header) -> Self {
        self.raw(&header.block(|byte| i32::from(byte as i8)))
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// `bytes`, filled to a tar block.
    pub(crate) fn data(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// A regular file.
    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.header(Header::new(name, b'0', data.len() as u64)).data(data)
    }

    /// An extension: its header and its body.
    pub(crate) fn extension(self, typeflag: u8, body: &[u8]) -> Self {
        self.header(Header::new("extension", typeflag, body.len() as u64)).data(body)
    }

    pub(crate) fn pax(self, typeflag: u8, records: &[(&str, &str)]) -> Self {
        let mut body = PaxBody::default();
        for (keyword, value) in records {
            body.push(keyword.as_bytes(), value.as_bytes());
        }
        self.extension(typeflag, body.as_bytes())
    }

    pub(crate) fn end(self) -> Self {
        self.raw(&[0; 1024])
    }

    pub(crate) fn file_of(&self) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&self.0, 0).unwrap();
        file
    }

    /// The members, which are the same from a file, from a stream and from a stream that gives little at a time.
    pub(crate) fn read(&self) -> Result<Vec<Entry>, ReadError> {
        let file = self.file_of();
        let from_file: Result<Vec<_>, _> = Reader::open(&file).unwrap().collect();
        for step in [1, 511, 100_000] {
            let stream = StreamSource::new(Steps { bytes: &self.0, step });
            let from_stream: Result<Vec<_>, _> = Reader::new(stream, Limits::default()).collect();
            match (&from_file, from_stream) {
                (Ok(one), Ok(other)) => assert_eq!(*one, other, "steps of {step}"),
                // Where the length is known, a member that is cut off is found earlier.
                (Err(_), Err(_)) => {}
                (one, other) => panic!("{one:?} from the file, {other:?} from a stream in steps of {step}"),
            }
        }
        from_file
    }

    /// What `read` gives, as a line a member: path, a letter for its kind, size, data.
    pub(crate) fn list(&self) -> Vec<String> {
        let file = self.file_of();
        let mut reader = Reader::open(&file).unwrap();
        let describe = |entry: Entry| {
            let mut data = Vec::new();
            reader.data(&entry).read_to_end(&mut data).unwrap();
            let kind = match &entry.member.kind {
                Kind::Regular { .. } => "-".to_owned(),
                Kind::Directory => "d".to_owned(),
                Kind::HardLink { target } => format!("h->{}", String::from_utf8_lossy(target)),
                Kind::Symlink { target } => format!("l->{}", String::from_utf8_lossy(target)),
                Kind::CharDevice { major, minor } => format!("c{major},{minor}"),
                Kind::BlockDevice { major, minor } => format!("b{major},{minor}"),
                Kind::Fifo => "p".to_owned(),
            };
            let data = String::from_utf8_lossy(&data).replace('\0', ".");
            format!("{} {kind} {} {data}", String::from_utf8_lossy(&entry.member.path), entry.member.size())
        };
        self.read().unwrap().into_iter().map(describe).map(|line| line.trim_end().to_owned()).collect()
    }
}

/// A stream that gives at most `step` bytes at once.
pub(crate) struct Steps<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) step: usize,
}

impl Read for Steps<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.step).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.bytes = later;
        Ok(len)
    }
}
