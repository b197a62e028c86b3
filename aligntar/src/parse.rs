//! One 512-byte header block of any dialect (v7, ustar, pax, GNU) as a value: bytes in, value out, no I/O.

use tar::Header;

use crate::header::Block;

/// Why a block is no header.
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

/// The fields of a header as they stand, before extensions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParsedHeader {
    pub(crate) typeflag: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) linkname: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) uname: Vec<u8>,
    pub(crate) gname: Vec<u8>,
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
    let header = Header::from_byte_slice(block);
    let old = header.as_old();
    let (devmajor, devminor) = devices(header)?;
    let (uname, gname) = owner_names(header);
    Ok(Some(ParsedHeader {
        typeflag: block[156],
        path: header.path_bytes().into_owned(),
        linkname: until_nul(&old.linkname).to_vec(),
        mode: unsigned("mode", &old.mode)? as u32 & 0o7777,
        uid: unsigned("uid", &old.uid)?,
        gid: unsigned("gid", &old.gid)?,
        uname: until_nul(uname).to_vec(),
        gname: until_nul(gname).to_vec(),
        size: unsigned("size", &old.size)?,
        mtime: number("mtime", &old.mtime)?,
        devmajor,
        devminor,
    }))
}

/// Old writers added the bytes up as signed ones; readers accept both (tar(5)).
fn check_sum(block: &Block) -> Result<(), HeaderError> {
    let found = unsigned("chksum", &block[148..156])?;
    let summed = || block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
    let computed: u64 = summed().map(u64::from).sum();
    let signed: i64 = summed().map(|byte| i64::from(byte as i8)).sum();
    if found == computed || i64::try_from(found) == Ok(signed) {
        return Ok(());
    }
    Err(HeaderError::Checksum { found, computed })
}

/// Device numbers exist in ustar and GNU headers only, and count for devices only: other members may leave anything.
fn devices(header: &Header) -> Result<(u32, u32), HeaderError> {
    let is_device = matches!(header.as_bytes()[156], b'3' | b'4');
    let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) if is_device => (&ustar.dev_major, &ustar.dev_minor),
        (_, Some(gnu)) if is_device => (&gnu.dev_major, &gnu.dev_minor),
        _ => return Ok((0, 0)),
    };
    let device = |field, bytes| u32::try_from(unsigned(field, bytes)?).map_err(|_| HeaderError::Number { field });
    Ok((device("devmajor", major)?, device("devminor", minor)?))
}

/// In ustar and GNU headers; v7 had none.
fn owner_names(header: &Header) -> (&[u8], &[u8]) {
    match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (&ustar.uname, &ustar.gname),
        (_, Some(gnu)) => (&gnu.uname, &gnu.gname),
        _ => (b"", b""),
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn unsigned(field: &'static str, bytes: &[u8]) -> Result<u64, HeaderError> {
    u64::try_from(number(field, bytes)?).map_err(|_| HeaderError::Number { field })
}

/// Octal digits, or base-256 where the first bit is set (tar(5), "Numeric Extensions"); an empty field is zero.
fn number(field: &'static str, bytes: &[u8]) -> Result<i64, HeaderError> {
    let value = if bytes[0] & 0x80 != 0 { base_256(bytes) } else { octal(bytes) };
    value.ok_or(HeaderError::Number { field })
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let text = until_nul(bytes).trim_ascii();
    text.iter().try_fold(0i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian; the first bit is only the mark, the second one the sign.
fn base_256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    let first = if negative { bytes[0] } else { bytes[0] & 0x7f };
    // At most twelve bytes, the longest numeric field: no bit leaves an i128.
    let start = if negative { -1i128 } else { 0 };
    let value = std::iter::once(&first).chain(&bytes[1..]).fold(start, |value, &byte| value << 8 | i128::from(byte));
    i64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{member_header, with_size};
    use crate::member::{Kind, Member};
    use proptest::prelude::*;

    #[test]
    fn numbers_of_every_dialect() {
        let cases: [(&[u8], Option<i64>); 9] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"00000000777\0", Some(0o777)),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", Some(1 << 32)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"0000008\0", None),
            (b"-000001\0", None),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(number("f", bytes).ok(), expected, "{bytes:?}");
        }
    }

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
