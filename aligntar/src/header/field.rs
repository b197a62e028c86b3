//! Numeric fields of a header block, written.

use crate::align::Block;

/// Where the field `chksum` lies in a block (POSIX ustar).
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Writes `value` in octal digits with a NUL behind them; where those are too few in base-256, its first bit set
/// (tar(5), "Numeric Extensions"), which holds any u64 below 2^63 in the shortest field of 8 bytes.
pub(super) fn number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    if value.checked_shr(3 * digits as u32).unwrap_or(0) == 0 {
        for (place, digit) in field[..digits].iter_mut().rev().enumerate() {
            *digit = b'0' + (value >> (3 * place) & 7) as u8;
        }
        field[digits] = 0;
    } else {
        let start = field.len() - size_of::<u64>();
        field[..start].fill(0);
        field[start..].copy_from_slice(&value.to_be_bytes());
        field[0] |= 0x80;
    }
}

/// Sums the bytes of `block` up, the field `chksum` itself as spaces, and writes that there: six digits, NUL, space.
pub(super) fn set_checksum(block: &mut Block) {
    block[CHECKSUM].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    number(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tar::Header;

    #[test]
    fn numbers_fill_their_fields() {
        let mut field = [b'x'; 8];
        number(&mut field, 0o644);
        assert_eq!(&field, b"0000644\0");
        number(&mut field, 1 << 21);
        assert_eq!(field, [0x80, 0, 0, 0, 0, 0x20, 0, 0]);
        let mut field = [b'x'; 12];
        number(&mut field, 0o77_777_777_777);
        assert_eq!(&field, b"77777777777\0");
        number(&mut field, 1 << 33);
        assert_eq!(field, [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn others_read_them(size in any::<u64>(), uid in 0u64..1 << 63, bytes in prop::collection::vec(any::<u8>(), 100)) {
            let mut header = Header::new_ustar();
            number(&mut header.as_old_mut().size, size);
            number(&mut header.as_old_mut().uid, uid);
            header.as_old_mut().name.copy_from_slice(&bytes);
            set_checksum(header.as_mut_bytes());
            let sum = header.as_bytes().iter().enumerate().map(|(at, &byte)| if CHECKSUM.contains(&at) { 32 } else { u32::from(byte) });
            prop_assert_eq!((header.entry_size().unwrap(), header.uid().unwrap()), (size, uid));
            prop_assert_eq!(header.cksum().unwrap(), sum.sum::<u32>());
        }
    }
}
