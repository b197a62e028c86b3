//! Numeric header fields: octal digits, or base-256 (tar(5), "Numeric Extensions").

/// The number in `field`; an empty field is zero, `None` is no number.
///
/// Blanks and NULs may stand before the digits: some old writers put a NUL where the field before ran over (GNU tar,
/// list.c). A NUL or a blank ends them.
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 { base_256(field) } else { octal(field) }
}

fn octal(field: &[u8]) -> Option<i64> {
    let is_filling = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let start = field.iter().position(|byte| !is_filling(byte)).unwrap_or(field.len());
    let digits = field[start..].split(is_filling).next().unwrap_or_default();
    digits.iter().try_fold(0i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian; the first bit is only the mark, the second one the sign.
fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    // At most twelve bytes, the longest numeric field: no bit leaves an i128.
    let start = if negative { -1i128 } else { 0 };
    let value = std::iter::once(&first).chain(&field[1..]).fold(start, |value, &byte| value << 8 | i128::from(byte));
    i64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_dialect() {
        let cases: [(&[u8], Option<i64>); 14] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644 \0\0\0x", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"00000000777\0", Some(0o777)),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", Some(1 << 32)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x00000644\0", Some(0o644)),
            (b"\0\0 644 \0", Some(0o644)),
            (b"\0\0none\0\0", None),
            (b"0000008\0", None),
            (b"-000001\0", None),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(number(bytes), expected, "{bytes:?}");
        }
    }
}
