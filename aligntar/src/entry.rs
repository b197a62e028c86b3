//! One member of an archive, where it lies, and its data without reading the archive from the start.

use std::fs::File;
use std::io;

use rustix::io::Errno;

use crate::align::{AlignError, Alignment};
use crate::member::Member;
use crate::sys::{Extent, extents_in};
use crate::transfer::{ClonePolicy, Span, TransferError, Transferred, transfer};

/// One member, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the headers say.
    pub member: Member,
    /// Offset of the first header block that belongs to it, extended headers included.
    pub header_offset: u64,
    /// Offset of its data.
    pub data_offset: u64,
    /// Bytes of data that follow there, without the filling to a tar block: the size of a regular file unless it is
    /// sparse, and then at least what its spans take. Some archives have data behind links and directories as well; it
    /// is stepped over.
    pub stored_len: u64,
    /// Where the data belongs in a sparse file, rising and without overlap, with holes between. In the archive the
    /// spans follow each other from `data_offset` on. `None`: the data is the whole file.
    pub sparse: Option<Vec<DataSpan>>,
}

/// A range of a sparse file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSpan {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Why the data of a member did not get into a file.
#[derive(Debug, thiserror::Error)]
pub enum CloneToError {
    /// The target's block size is unknown.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// The target's length could not be set.
    #[error("ftruncate to {length} bytes")]
    SetLen {
        /// Bytes.
        length: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The data could not be moved.
    #[error(transparent)]
    Data(#[from] TransferError),
}

impl Entry {
    /// Where the data lies in the archive and where it belongs in the file, from the first byte to the last. One span
    /// for a regular file, one for each range of data of a sparse one, none with a length for anything else.
    pub fn data_spans(&self) -> impl Iterator<Item = Span> {
        let whole = self.sparse.is_none().then_some(DataSpan { offset: 0, length: self.member.size() });
        let spans = whole.into_iter().chain(self.sparse.iter().flatten().copied());
        let mut source_offset = self.data_offset;
        spans.map(move |DataSpan { offset, length }| {
            let span = Span { source_offset, target_offset: offset, length };
            source_offset += length;
            span
        })
    }

    /// Gives `target` the content of this member of `archive`: its length, its data by clone where `policy` and both
    /// file systems allow it, its holes as holes. What was in `target` is lost. It stays empty for anything but regular
    /// files.
    ///
    /// # Errors
    /// [`CloneToError`]; the target may then have part of the data.
    pub fn clone_to(&self, archive: &File, target: &File, policy: ClonePolicy) -> Result<Transferred, CloneToError> {
        let fs_block = Alignment::of(target)?;
        let size = self.member.size();
        let set_len = |length| target.set_len(length).map_err(|source| CloneToError::SetLen { length, source });
        set_len(0)?;
        let mut moved = Transferred::default();
        let mut mapped_bytes = 0;
        for span in self.data_spans() {
            moved += transfer(archive, target, span, fs_block, policy)?;
            mapped_bytes += span.length;
        }
        // No more than the size: the reader has checked the map.
        moved.hole_bytes += size - mapped_bytes;
        set_len(size)?;
        Ok(moved)
    }

    /// The blocks that this member's data has in `archive`, by their offsets in the file that the member is; what lies
    /// between them is holes, of the archive or of the member.
    ///
    /// # Errors
    /// `OPNOTSUPP` where the file system keeps no extents (tmpfs), `IO` and others as the kernel gives them.
    pub fn extents(&self, archive: &File) -> Result<Vec<Extent>, Errno> {
        let mut extents = Vec::new();
        extents_in(archive, self.data_offset..self.data_offset + self.stored_len, |extent| extents.push(extent))?;
        Ok(in_member(self.data_spans(), &extents))
    }
}

/// What of `extents`, which are of the archive, lies in `spans`, as extents of the member. Both rise.
fn in_member(spans: impl Iterator<Item = Span>, extents: &[Extent]) -> Vec<Extent> {
    let mut parts = Vec::new();
    let mut rest = extents;
    for Span { source_offset, target_offset, length } in spans {
        let end = source_offset + length;
        let before = rest.partition_point(|extent| extent.offset + extent.length <= source_offset);
        rest = &rest[before..];
        for extent in rest.iter().take_while(|extent| extent.offset < end) {
            let from = extent.offset.max(source_offset);
            let to = (extent.offset + extent.length).min(end);
            let offset = target_offset + (from - source_offset);
            let place = extent.place.map(|place| place + (from - extent.offset));
            parts.push(Extent { offset, length: to - from, shared: extent.shared, place });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Kind;
    use std::os::unix::fs::{FileExt, MetadataExt};

    /// One of an archive that lies at byte 7000 of the disk; the member's data begins at byte 1000 of the archive.
    fn extent(offset: u64, length: u64, shared: bool) -> Extent {
        part(offset, length, shared, 7000 + offset)
    }

    fn part(offset: u64, length: u64, shared: bool, place: u64) -> Extent {
        Extent { offset, length, shared, place: Some(place) }
    }

    fn sparse(size: u64, spans: &[(u64, u64)]) -> Entry {
        Entry {
            member: Member::new("file", Kind::Regular { size }, 0o644),
            header_offset: 0,
            data_offset: 1000,
            stored_len: spans.iter().map(|span| span.1).sum(),
            sparse: Some(spans.iter().map(|&(offset, length)| DataSpan { offset, length }).collect()),
        }
    }

    #[test]
    fn extents_are_cut_to_the_data_and_moved_to_where_it_belongs() {
        let archive = [extent(0, 1020, true), extent(1020, 10, false), extent(1040, 5000, true)];
        let entry = sparse(1 << 20, &[(0, 10), (100, 15), (500, 50)]);
        let expected = [
            part(0, 10, true, 8000),
            part(100, 10, true, 8010),
            part(110, 5, false, 8020),
            part(500, 5, false, 8025),
            part(515, 35, true, 8040),
        ];
        assert_eq!(in_member(entry.data_spans(), &archive), expected);
        let plain = Entry { sparse: None, ..sparse(25, &[(0, 25)]) };
        assert_eq!(in_member(plain.data_spans(), &archive), [part(0, 20, true, 8000), part(20, 5, false, 8020)]);
    }

    #[test]
    fn a_sparse_member_becomes_a_sparse_file() {
        let (archive, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        archive.write_all_at(b"abcde", 1000).unwrap();
        target.write_all_at(&[7; 100_000], 0).unwrap();
        let entry = sparse(1 << 24, &[(1 << 20, 2), (1 << 23, 3)]);
        for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
            let moved = entry.clone_to(&archive, &target, policy).unwrap();
            let expected = Transferred { copied_bytes: 5, hole_bytes: (1 << 24) - 5, ..Transferred::default() };
            assert_eq!(moved, expected);
            let metadata = target.metadata().unwrap();
            assert_eq!(metadata.len(), 1 << 24);
            assert!(metadata.blocks() * 512 < 1 << 20, "{metadata:?}");
            let mut bytes = vec![1; 1 << 24];
            target.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!((&bytes[1 << 20..][..3], &bytes[1 << 23..][..4]), (&b"ab\0"[..], &b"cde\0"[..]));
            assert_eq!(bytes.iter().filter(|&&byte| byte != 0).count(), 5);
        }
    }
}
