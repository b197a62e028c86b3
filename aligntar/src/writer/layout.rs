//! How a member's headers are laid out in front of its data.

use super::error::WriteError;
use crate::align::{Alignment, Block, TAR_BLOCK, padded_len};
use crate::header;
use crate::member::{Kind, Member};
use crate::pax::{PAX_BODY_LIMIT, PaxBody};
use crate::shown::lossy;

/// What stands in front of a member so that its data starts on a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// A record `comment` in the member's extended header. Readers ignore its value (POSIX pax), and none warns of it.
    #[default]
    Comment,
    /// A record with a vendor's keyword, `CKPT.pad`, like libarchive's `LIBARCHIVE.pad`. GNU tar warns of each.
    Vendor,
    /// Headers of character device 0:0 without a name, as podman pull request 25050 wrote them first. Most readers fail
    /// at them or make devices: use this only for archives that that code or this crate will read.
    DummyHeaders,
}

/// The vendor's keyword.
const VENDOR_PAD: &[u8] = b"CKPT.pad";

/// Where data goes, and what fills the gap in front of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) alignment: Alignment,
    pub(crate) padding: Padding,
}

impl Layout {
    /// Appends the headers of `member`, as they stand at `offset` of the archive, to `bytes`; its own is the last
    /// block, and is given as well.
    ///
    /// Data smaller than the alignment is not aligned, so its headers are the same at any offset.
    pub(crate) fn push_headers(self, member: &Member, offset: u64, bytes: &mut Vec<u8>) -> Result<Block, WriteError> {
        check_names(member)?;
        let mut records = header::pax_records(member);
        // Better data off its block than a header that others do not read.
        let most_padding = self.alignment.bytes() + 2 * TAR_BLOCK;
        if self.aligns(member) && records.as_bytes().len() as u64 + most_padding <= PAX_BODY_LIMIT {
            let too_large = || WriteError::TooLarge { path: lossy(&member.path) };
            self.pad(&mut records, offset, bytes).ok_or_else(too_large)?;
        }
        let (len, limit) = (records.as_bytes().len() as u64, PAX_BODY_LIMIT);
        if len > limit {
            return Err(WriteError::ExtensionsTooLong { path: lossy(&member.path), len, limit });
        }
        if len > 0 {
            bytes.extend_from_slice(&header::pax_header(&records));
            bytes.extend_from_slice(records.as_bytes());
            let filling = len.next_multiple_of(TAR_BLOCK) - len;
            bytes.resize(bytes.len() + filling as usize, 0);
        }
        let header = header::member_header(member);
        bytes.extend_from_slice(&header);
        Ok(header)
    }

    /// Whether the data of `member` has to start on a block.
    pub(crate) fn aligns(self, member: &Member) -> bool {
        member.size() >= self.alignment.bytes()
    }

    fn pad(self, records: &mut PaxBody, offset: u64, bytes: &mut Vec<u8>) -> Option<()> {
        match self.padding {
            Padding::Comment => records.pad(offset, self.alignment),
            Padding::Vendor => records.pad_with(VENDOR_PAD, offset, self.alignment),
            Padding::DummyHeaders => {
                let data_offset = offset.checked_add(records.archived_len())?.checked_add(TAR_BLOCK)?;
                let dummies = (self.alignment.align_up(data_offset)? - data_offset) / TAR_BLOCK;
                let dummy = header::member_header(&Member::new("", Kind::CharDevice { major: 0, minor: 0 }, 0));
                bytes.extend((0..dummies).flat_map(|_| dummy));
                Some(())
            }
        }
    }
}

/// Zeros that fill the last tar block behind `len` bytes.
pub(crate) fn filling(len: u64) -> &'static [u8] {
    let padded = padded_len(len).unwrap_or(len);
    &[0; TAR_BLOCK as usize][..(padded - len) as usize]
}

/// Refuses to write what readers refuse to read.
fn check_names(member: &Member) -> Result<(), WriteError> {
    let target: &[u8] = match &member.kind {
        Kind::HardLink { target } | Kind::Symlink { target } => target,
        _ => b"",
    };
    let is_padding = member.path.is_empty() && matches!(member.kind, Kind::CharDevice { .. });
    if member.path.contains(&0) || target.contains(&0) || is_padding {
        return Err(WriteError::BadPath { path: lossy(&member.path) });
    }
    if let Some(bad) = member.xattrs.iter().find(|xattr| xattr.name.is_empty() || xattr.name.contains(&0)) {
        return Err(WriteError::BadAttribute { path: lossy(&member.path), name: lossy(&bad.name) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_padding_aligns_the_data() {
        for padding in [Padding::Comment, Padding::Vendor, Padding::DummyHeaders] {
            for block in [512, 1024, 4096, 65536] {
                let layout = Layout { alignment: Alignment::new(block).unwrap(), padding };
                for (number, nanos) in (0..40).zip([0, 5].into_iter().cycle()) {
                    let mut member = Member::new("a", Kind::Regular { size: 70_000 }, 0o644);
                    member.mtime.nanos = nanos;
                    let (offset, mut bytes) = (number * TAR_BLOCK, Vec::new());
                    let header = layout.push_headers(&member, offset, &mut bytes).unwrap();
                    assert_eq!((offset + bytes.len() as u64) % block, 0, "{padding:?} {block} {offset}");
                    assert!(bytes.ends_with(&header));
                }
            }
        }
    }

    #[test]
    fn long_records_come_before_alignment() {
        let mut member = Member::new("a", Kind::Regular { size: 70_000 }, 0o644);
        let value = vec![b'x'; PAX_BODY_LIMIT as usize - 100];
        member.records.push(crate::member::Record { keyword: b"VENDOR.long".to_vec(), value });
        for padding in [Padding::Comment, Padding::Vendor, Padding::DummyHeaders] {
            let layout = Layout { alignment: Alignment::DEFAULT, padding };
            let mut bytes = Vec::new();
            layout.push_headers(&member, 0, &mut bytes).unwrap();
            assert_eq!(bytes.len(), 512 + PAX_BODY_LIMIT as usize + 512, "{padding:?}");
        }
    }

    #[test]
    fn names_that_no_reader_takes_are_not_written() {
        let layout = Layout { alignment: Alignment::DEFAULT, padding: Padding::Comment };
        let written = |member: &Member| layout.push_headers(member, 0, &mut Vec::new());
        let nameless = Kind::CharDevice { major: 1, minor: 3 };
        for member in [Member::new("a\0b", Kind::Fifo, 0o644), Member::new("", nameless, 0o644)] {
            assert!(matches!(written(&member), Err(WriteError::BadPath { .. })), "{member:?}");
        }
        for name in ["", "user.a\0b"] {
            let mut member = Member::new("a", Kind::Fifo, 0o644);
            member.xattrs.push(crate::member::Xattr { name: name.into(), value: Vec::new() });
            assert!(matches!(written(&member), Err(WriteError::BadAttribute { .. })), "{name:?}");
        }
    }

    #[test]
    fn small_members_are_the_same_anywhere() {
        let layout = Layout { alignment: Alignment::DEFAULT, padding: Padding::Comment };
        let member = Member::new("small", Kind::Regular { size: 4095 }, 0o644);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        layout.push_headers(&member, 0, &mut one).unwrap();
        layout.push_headers(&member, 1536, &mut other).unwrap();
        assert_eq!(one, other);
    }
}
