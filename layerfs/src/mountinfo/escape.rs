//! The kernel's octal escapes in a mount table.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

pub(super) fn path_from(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// Undoes the kernel's `mangle_path` and `seq_escape`: `\` and three octal digits stand for a byte.
pub(super) fn unescape_octal(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        match octal_escape(rest) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[4..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

fn octal_escape(bytes: &[u8]) -> Option<u8> {
    let [b'\\', digits @ ..] = bytes.get(..4)? else { return None };
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 8).ok().filter(|_| !text.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes_are_bytes() {
        let cases: &[(&[u8], &[u8])] = &[
            (br"a\040b", b"a b"),
            (br"\134\072", br"\:"),
            (br"\04", br"\04"),
            (br"\999", br"\999"),
            (br"\377", b"\xff"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(unescape_octal(escaped), *plain);
        }
    }
}
