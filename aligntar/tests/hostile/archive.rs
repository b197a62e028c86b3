//! Archives as no writer would make them, block by block.

use std::path::Path;

const BLOCK: usize = 512;

/// Byte ranges of the fields of a ustar header (POSIX pax, "ustar Interchange Format").
pub(crate) mod field {
    use std::ops::Range;

    pub(crate) const NAME: Range<usize> = 0..100;
    pub(crate) const MODE: Range<usize> = 100..108;
    pub(crate) const UID: Range<usize> = 108..116;
    pub(crate) const SIZE: Range<usize> = 124..136;
    pub(crate) const MTIME: Range<usize> = 136..148;
    pub(crate) const CHKSUM: Range<usize> = 148..156;
    pub(crate) const TYPEFLAG: usize = 156;
    pub(crate) const LINKNAME: Range<usize> = 157..257;
    pub(crate) const MAGIC: Range<usize> = 257..265;
    pub(crate) const DEVMAJOR: Range<usize> = 329..337;
    pub(crate) const DEVMINOR: Range<usize> = 337..345;
    pub(crate) const PREFIX: Range<usize> = 345..500;
}

/// The bytes of an archive, one member behind the other.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    /// Absolute path of the folder that must not be reached.
    pub(crate) outside: String,
}

impl Archive {
    pub(crate) fn new(outside: &Path) -> Self {
        Archive { bytes: Vec::new(), outside: outside.to_str().unwrap().to_owned() }
    }

    /// With the end marker.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 2 * BLOCK]);
        self.bytes
    }

    /// Without one.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A header that `change` had in hand before its checksum was made.
    pub(crate) fn header(self, name: &[u8], typeflag: u8, size: usize, change: impl FnOnce(&mut [u8])) -> Self {
        let mut header = [0; BLOCK];
        put(&mut header, field::NAME, name);
        put(&mut header, field::MODE, b"0000644");
        put(&mut header, field::UID, b"0000000");
        put(&mut header, field::SIZE, format!("{size:011o}").as_bytes());
        put(&mut header, field::MTIME, b"00000000001");
        header[field::TYPEFLAG] = typeflag;
        put(&mut header, field::MAGIC, b"ustar\x0000");
        change(&mut header);
        header[field::CHKSUM].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        put(&mut header, field::CHKSUM, format!("{sum:06o}\0").as_bytes());
        self.raw(&header)
    }

    /// Bytes as they are, filled up to a block.
    pub(crate) fn raw(mut self, data: &[u8]) -> Self {
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.changed_file(name, data, |_| ())
    }

    pub(crate) fn changed_file(self, name: &str, data: &[u8], change: impl FnOnce(&mut [u8])) -> Self {
        self.header(name.as_bytes(), b'0', data.len(), change).raw(data)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.header(name.as_bytes(), b'5', 0, |header| put(header, field::MODE, b"0000755"))
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.header(name.as_bytes(), b'2', 0, |header| put(header, field::LINKNAME, target.as_bytes()))
    }

    /// A symbolic link to the folder outside, by its absolute path.
    pub(crate) fn symlink_outside(self, name: &str) -> Self {
        let outside = self.outside.clone();
        self.pax(&[(b"linkpath", outside.as_bytes())]).symlink(name, "")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.header(name.as_bytes(), b'1', 0, |header| put(header, field::LINKNAME, target.as_bytes()))
    }

    pub(crate) fn fifo(self, name: &str) -> Self {
        self.header(name.as_bytes(), b'6', 0, |_| ())
    }

    pub(crate) fn device(self, name: &str, typeflag: u8, major: u32, minor: u32) -> Self {
        self.header(name.as_bytes(), typeflag, 0, |header| {
            put(header, field::DEVMAJOR, format!("{major:07o}").as_bytes());
            put(header, field::DEVMINOR, format!("{minor:07o}").as_bytes());
        })
    }

    /// An extended header of these records.
    pub(crate) fn pax(self, records: &[(&[u8], &[u8])]) -> Self {
        let body: Vec<u8> = records.iter().flat_map(|(keyword, value)| record(keyword, value)).collect();
        self.extension(b'x', &body)
    }

    /// Any header with a body that belongs to the member behind it.
    pub(crate) fn extension(self, typeflag: u8, body: &[u8]) -> Self {
        self.header(b"././@Extension", typeflag, body.len(), |_| ()).raw(body)
    }
}

/// `length keyword=value\n`; the length counts its own digits.
pub(crate) fn record(keyword: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = keyword.len() + value.len() + 3;
    let len = (1..).map(|digits| rest + digits).find(|len| len.to_string().len() + rest == *len).unwrap();
    [len.to_string().as_bytes(), b" ", keyword, b"=", value, b"\n"].concat()
}

/// Writes `value` to the front of a field; the rest of it stays.
pub(crate) fn put(header: &mut [u8], field: std::ops::Range<usize>, value: &[u8]) {
    header[field][..value.len()].copy_from_slice(value);
}
