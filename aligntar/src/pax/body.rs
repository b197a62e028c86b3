//! An extended header's body, written: records, and the padding that aligns the data behind it.

use std::fmt::Write as _;
use std::io::Write;

use super::attributes::ACLS;
use super::record::{COMMENT, SCHILY_XATTR};
use crate::acl::Acl;
use crate::align::{Alignment, TAR_BLOCK, padded_len};
use crate::member::{Timestamp, Xattr};

/// An extended header's body while it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaxBody {
    bytes: Vec<u8>,
}

impl PaxBody {
    /// Appends a record.
    pub fn push(&mut self, keyword: &[u8], value: &[u8]) {
        let framed = keyword.len() + value.len() + " =\n".len();
        // The length counts its own digits, so one more digit may carry.
        let mut length = framed + 1;
        while framed + decimal_digits(length) != length {
            length = framed + decimal_digits(length);
        }
        self.bytes.reserve(length);
        write!(self.bytes, "{length} ").expect("memory takes any bytes");
        self.bytes.extend_from_slice(keyword);
        self.bytes.push(b'=');
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'\n');
    }

    /// Appends an mtime record.
    pub fn push_mtime(&mut self, mtime: Timestamp) {
        self.push(b"mtime", format_timestamp(mtime).as_bytes());
    }

    /// Appends an extended attribute; an ACL also as text, which is what GNU tar's `--acls` and libarchive read.
    pub fn push_xattr(&mut self, xattr: &Xattr) {
        if let Some((keyword, _)) = ACLS.iter().find(|acl| acl.1 == xattr.name)
            && let Some(acl) = Acl::of_xattr(&xattr.value)
        {
            self.push(keyword, &acl.to_text());
        }
        self.push(&[SCHILY_XATTR, &encode_xattr_name(&xattr.name)].concat(), &xattr.value);
    }

    /// Appends the `comment` record that makes the data of a member whose extended header starts at `offset` begin
    /// on a multiple of `align`; nothing where it does so anyway. `None` past `u64::MAX`.
    ///
    /// | at | bytes | what |
    /// |---|---|---|
    /// | `offset` | 512 | `x` header, if there is a record |
    /// | | body, filled to 512 | records, padding the last |
    /// | | 512 | the member's own header |
    /// | multiple of `align` | | data |
    #[must_use]
    pub fn pad(&mut self, offset: u64, align: Alignment) -> Option<()> {
        self.pad_with(COMMENT, offset, align)
    }

    /// As [`PaxBody::pad`], with a record of another keyword.
    #[must_use]
    pub(crate) fn pad_with(&mut self, keyword: &[u8], offset: u64, align: Alignment) -> Option<()> {
        let data_offset = offset.checked_add(self.archived_len())?.checked_add(TAR_BLOCK)?;
        if align.is_aligned(data_offset) {
            return Some(());
        }
        let mut short = align.align_up(data_offset)? - data_offset;
        if self.bytes.is_empty() {
            // A first record costs the `x` header as well; with less than two blocks of room, go one block further.
            short = if short > TAR_BLOCK { short - TAR_BLOCK } else { short + align.bytes() - TAR_BLOCK };
            // Alignments of one tar block never come here: every header ends on one.
        }
        let filled = padded_len(self.bytes.len() as u64)?;
        let record_len = usize::try_from(filled + short).ok()? - self.bytes.len();
        self.push_filler(keyword, record_len);
        Some(())
    }

    /// Appends a record of exactly `record_len` bytes, which is at least one tar block less the records' own filling.
    fn push_filler(&mut self, keyword: &[u8], record_len: usize) {
        let frame = decimal_digits(record_len) + keyword.len() + " =\n".len();
        self.push(keyword, &vec![b' '; record_len - frame]);
    }

    /// Bytes that the header `x` and this body take in the archive; none where there is no record.
    pub fn archived_len(&self) -> u64 {
        match self.bytes.len() as u64 {
            0 => 0,
            len => TAR_BLOCK + len.next_multiple_of(TAR_BLOCK),
        }
    }

    /// The records one after the other, without filling.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

pub(super) fn format_timestamp(time: Timestamp) -> String {
    // -1 s and 3/10 s is -0.7 s: the fraction of a negative time counts backwards.
    let (sign, secs, nanos) = match (time.secs, time.nanos) {
        (secs @ 0.., nanos) => ("", secs.unsigned_abs(), nanos),
        (secs, 0) => ("-", secs.unsigned_abs(), 0),
        (secs, nanos) => ("-", (secs + 1).unsigned_abs(), 1_000_000_000 - nanos),
    };
    // Room for the longest: growing takes more time than writing.
    let mut text = String::with_capacity("-9223372036854775808.999999999".len());
    write!(text, "{sign}{secs}").expect("memory takes any text");
    if nanos != 0 {
        write!(text, ".{nanos:09}").expect("memory takes any text");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

/// `=` would end the keyword too early: GNU tar writes it as `%3D`, and `%` as `%25` (its xheader.c).
pub(super) fn encode_xattr_name(name: &[u8]) -> Vec<u8> {
    name.iter().fold(Vec::with_capacity(name.len()), |mut encoded, &byte| {
        match byte {
            b'=' => encoded.extend_from_slice(b"%3D"),
            b'%' => encoded.extend_from_slice(b"%25"),
            _ => encoded.push(byte),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pax::PaxExtensions;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn padding_aligns_the_data(blocks in 0u64..10_000, value_len in 0usize..5000, power in 9u32..17) {
            let align = Alignment::new(1 << power).unwrap();
            let mut body = PaxBody::default();
            if value_len > 0 {
                body.push(b"path", &vec![b'p'; value_len]);
            }
            let unpadded = body.archived_len();
            body.pad(blocks * TAR_BLOCK, align).unwrap();
            let data_offset = blocks * TAR_BLOCK + body.archived_len() + TAR_BLOCK;
            prop_assert!(align.is_aligned(data_offset));
            prop_assert!(body.archived_len() <= unpadded + align.bytes() + TAR_BLOCK);
            prop_assert!(PaxExtensions::parse(body.as_bytes()).is_ok());
        }
    }
}
