//! One 512-byte header block of any dialect (v7, ustar, pax, GNU, star) as a value: bytes in, value out, no I/O.

mod number;

use std::ops::Range;
use std::sync::Arc;

use crate::align::Block;
pub(crate) use number::number;

/// Why a block is not a header.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// The sum of its bytes is not what its field `chksum` says.
    #[error("checksum {found:o} does not match the bytes, which add up to {computed:o}")]
    Checksum {
        /// What the field says.
        found: u64,
        /// What the bytes give.
        computed: u64,
    },
    /// A numeric field holds something else.
    #[error("field {field} is not a number")]
    Number {
        /// The field's POSIX name.
        field: &'static str,
    },
}

/// Fields by their bytes, tar(5): those of every dialect, and from `UNAME` on those of ustar and GNU.
const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHKSUM: Range<usize> = 148..156;
const TYPEFLAG: usize = 156;
const LINKNAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const UNAME: Range<usize> = 265..297;
const GNAME: Range<usize> = 297..329;
const DEVMAJOR: Range<usize> = 329..337;
const DEVMINOR: Range<usize> = 337..345;
/// Of ustar only: GNU has times and the sparse map there.
const PREFIX: Range<usize> = 345..500;

/// Who defined what stands behind the fields of v7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Gnu,
}

impl Dialect {
    fn of(block: &Block) -> Self {
        match &block[MAGIC] {
            b"ustar\0" => Dialect::Ustar,
            b"ustar " => Dialect::Gnu,
            _ => Dialect::V7,
        }
    }
}

/// The fields of a header as they stand, before extensions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedHeader {
    pub(crate) typeflag: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) linkname: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) uname: Arc<[u8]>,
    pub(crate) gname: Arc<[u8]>,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
    pub(crate) devmajor: u32,
    pub(crate) devminor: u32,
}

/// The header in `block`; `None` for a block of zeros, which ends an archive.
pub(crate) fn parse(block: &Block) -> Result<Option<ParsedHeader>, HeaderError> {
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    check_sum(block)?;
    let dialect = Dialect::of(block);
    let (devmajor, devminor) = devices(block, dialect)?;
    let text = |field| match dialect {
        Dialect::V7 => Arc::default(),
        _ => Arc::from(until_nul(&block[field])),
    };
    Ok(Some(ParsedHeader {
        typeflag: block[TYPEFLAG],
        path: path(block, dialect),
        linkname: until_nul(&block[LINKNAME]).to_vec(),
        mode: unsigned("mode", &block[MODE])? as u32 & 0o7777,
        uid: owner("uid", &block[UID])?,
        gid: owner("gid", &block[GID])?,
        uname: text(UNAME),
        gname: text(GNAME),
        size: unsigned("size", &block[SIZE])?,
        mtime: number(&block[MTIME]).ok_or(HeaderError::Number { field: "mtime" })?,
        devmajor,
        devminor,
    }))
}

/// Old writers added the bytes up as signed ones; readers accept both (tar(5)).
fn check_sum(block: &Block) -> Result<(), HeaderError> {
    let found = unsigned("chksum", &block[CHKSUM])?;
    // The field itself counts as eight blanks.
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let blanks = CHKSUM.len() as u32 * u32::from(b' ');
    let computed = u64::from(sum(block) - sum(&block[CHKSUM]) + blanks);
    if found == computed || i64::try_from(found) == Ok(signed_sum(block)) {
        return Ok(());
    }
    Err(HeaderError::Checksum { found, computed })
}

fn signed_sum(block: &Block) -> i64 {
    let summed = block.iter().enumerate().map(|(at, &byte)| if CHKSUM.contains(&at) { b' ' } else { byte });
    summed.map(|byte| i64::from(byte as i8)).sum()
}

fn path(block: &Block, dialect: Dialect) -> Vec<u8> {
    let name = until_nul(&block[NAME]);
    match dialect {
        Dialect::Ustar if block[PREFIX.start] != 0 => [until_nul(&block[PREFIX]), b"/", name].concat(),
        _ => name.to_vec(),
    }
}

/// Device numbers exist in ustar and GNU headers only, and count for devices only: other members may hold anything
/// there.
fn devices(block: &Block, dialect: Dialect) -> Result<(u32, u32), HeaderError> {
    if dialect == Dialect::V7 || !matches!(block[TYPEFLAG], b'3' | b'4') {
        return Ok((0, 0));
    }
    let device = |field, bytes| u32::try_from(unsigned(field, bytes)?).map_err(|_| HeaderError::Number { field });
    Ok((device("devmajor", &block[DEVMAJOR])?, device("devminor", &block[DEVMINOR])?))
}

fn until_nul(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
}

fn unsigned(field: &'static str, bytes: &[u8]) -> Result<u64, HeaderError> {
    number(bytes).and_then(|value| u64::try_from(value).ok()).ok_or(HeaderError::Number { field })
}

/// Some writers put -1 where they know no owner: it is 2^64 - 1 then, which no file system has.
fn owner(field: &'static str, bytes: &[u8]) -> Result<u64, HeaderError> {
    number(bytes).map(|value| value as u64).ok_or(HeaderError::Number { field })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{member_header, with_size};
    use crate::member::{Kind, Member};
    use proptest::prelude::*;

    #[test]
    fn a_flipped_bit_breaks_the_checksum() {
        let mut block = member_header(&Member::new("a", Kind::Regular { size: 3 }, 0o644));
        block[0] ^= 1;
        assert!(matches!(parse(&block), Err(HeaderError::Checksum { .. })));
        assert_eq!(parse(&[0; 512]), Ok(None));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(name in "[a-z/]{0,90}[a-z]", mode in 0u32..0o10000, uid in any::<u32>(), size in 0u64..1 << 62) {
            let mut member = Member::new(name.as_bytes(), Kind::Regular { size }, mode);
            member.uid = uid.into();
            let parsed = parse(&with_size(&member_header(&member), size)).unwrap().unwrap();
            prop_assert_eq!(parsed.path, name.as_bytes());
            prop_assert_eq!((parsed.mode, parsed.uid, parsed.size), (mode, u64::from(uid), size));
        }

        #[test]
        fn any_block_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 512)) {
            let _ = parse(bytes.as_slice().try_into().unwrap());
        }
    }
}
