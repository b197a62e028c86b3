//! Archives byte by byte, wrong ones too.

use std::ops::Range;

/// Fields of a header block (POSIX pax, "ustar Interchange Format").
pub(crate) const MODE: Range<usize> = 100..108;
pub(crate) const SIZE: Range<usize> = 124..136;
pub(crate) const MTIME: Range<usize> = 136..148;
const CHKSUM: Range<usize> = 148..156;
const TYPEFLAG: usize = 156;
const LINKNAME: Range<usize> = 157..257;
pub(crate) const MAGIC: Range<usize> = 257..265;
pub(crate) const PREFIX: Range<usize> = 345..500;

/// One header block.
#[derive(Clone)]
pub(crate) struct Header([u8; 512]);

impl Header {
    /// A ustar header; `size` in octal.
    pub(crate) fn new(name: &str, typeflag: u8, size: u64) -> Self {
        let mut block = [0; 512];
        block[TYPEFLAG] = typeflag;
        let header = Header(block).set(0..100, name.as_bytes()).set(MODE, b"0000644\0").set(MAGIC, b"ustar\x0000");
        let header = header.set(108..116, b"0000000\0").set(116..124, b"0000000\0").set(MTIME, b"00000000000\0");
        header.set(SIZE, format!("{size:011o}\0").as_bytes())
    }

    /// The same without magic, as Unix version 7 had it.
    pub(crate) fn v7(name: &str, size: u64) -> Self {
        Header::new(name, 0, size).set(MAGIC, &[0; 8])
    }

    /// The same with GNU's magic.
    pub(crate) fn gnu(name: &str, typeflag: u8, size: u64) -> Self {
        Header::new(name, typeflag, size).set(MAGIC, b"ustar  \0")
    }

    pub(crate) fn link(self, target: &str) -> Self {
        self.set(LINKNAME, target.as_bytes())
    }

    /// Puts `bytes` at the start of a field.
    pub(crate) fn set(mut self, field: Range<usize>, bytes: &[u8]) -> Self {
        self.0[field][..bytes.len()].copy_from_slice(bytes);
        self
    }

    fn sum(&self, value: impl Fn(u8) -> i64) -> i64 {
        self.0.iter().enumerate().map(|(at, &byte)| value(if CHKSUM.contains(&at) { b' ' } else { byte })).sum()
    }

    /// With the checksum that is right.
    fn sealed(self) -> [u8; 512] {
        let sum = self.sum(i64::from);
        self.set(CHKSUM, format!("{sum:06o}\0 ").as_bytes()).0
    }

    /// With the one of bytes taken for signed numbers.
    pub(crate) fn sealed_signed(self) -> [u8; 512] {
        let sum = self.sum(|byte| i64::from(byte as i8));
        self.set(CHKSUM, format!("{sum:06o}\0 ").as_bytes()).0
    }
}

/// An archive in the making.
#[derive(Default)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    pub(crate) fn new() -> Self {
        Archive::default()
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn header(self, header: Header) -> Self {
        let block = header.sealed();
        self.raw(&block)
    }

    /// Data, filled to whole blocks.
    pub(crate) fn data(self, data: &[u8]) -> Self {
        let mut filled = self.raw(data);
        filled.0.resize(filled.0.len().next_multiple_of(512), 0);
        filled
    }

    /// A regular file.
    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.header(Header::new(name, b'0', data.len() as u64)).data(data)
    }

    /// An extended header, typeflag `x` or `g`, with records that may be none.
    pub(crate) fn extended(self, typeflag: u8, body: &[u8]) -> Self {
        self.header(Header::new("pax", typeflag, body.len() as u64)).data(body)
    }

    /// An extended header with these records.
    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let body: String = records.iter().map(|(keyword, value)| record(keyword, value)).collect();
        self.extended(b'x', body.as_bytes())
    }

    /// A GNU member whose data is the name or link of the next.
    pub(crate) fn gnu_long(self, typeflag: u8, name: &str) -> Self {
        let data = format!("{name}\0");
        self.header(Header::gnu("././@LongLink", typeflag, data.len() as u64)).data(data.as_bytes())
    }

    /// Two blocks of zeros, and no more.
    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }

    pub(crate) fn unfinished(self) -> Vec<u8> {
        self.0
    }
}

/// One pax record.
pub(crate) fn record(keyword: &str, value: &str) -> String {
    let rest = format!(" {keyword}={value}\n");
    let len = (rest.len()..).find(|len| len.to_string().len() + rest.len() == *len).unwrap();
    format!("{len}{rest}")
}
