//! How a member's data gets into its file, decided before anything is made.

use super::error::Refusal;
use crate::align::Alignment;
use crate::entry::Entry;
use crate::source::Source;
use crate::transfer::ClonePolicy;

/// Data from this length on is cloned under [`ClonePolicy::IfPossible`], shorter data is copied. In bytes.
///
/// A clone costs the same for any length, and the tail that is no whole block is copied behind it. Into new files out
/// of one warm archive, µs a file with the creation, medians of 7 × 500 files, and in brackets with all of it on the
/// disk (Linux 6.18, two busy cores, loop devices):
///
/// | bytes | Btrfs clone | Btrfs copy | XFS clone | XFS copy |
/// |---|---|---|---|---|
/// | 0 | 16 (21) | | 17 (34) | |
/// | 4,096 | 28 (49) | 23 (61) | 54 (63) | 43 (97) |
/// | 6,000 | 38 (96) | 29 (69) | 70 (135) | 52 (110) |
/// | 8,192 | 35 (60) | 42 (81) | 37 (41) | 33 (83) |
/// | 14,000 | 89 (169) | 112 (189) | 54 (103) | 39 (97) |
/// | 16,384 | 35 (67) | 48 (93) | 38 (44) | 33 (74) |
/// | 30,000 | 76 (171) | 139 (185) | 83 (115) | 55 (112) |
/// | 60,000 | 71 (137) | 123 (173) | 65 (97) | 75 (153) |
/// | 131,072 | 71 (172) | 607 (825) | 48 (64) | 96 (292) |
///
/// Copies win up to 6,000 bytes on both, clones from 8 KiB on Btrfs, and on XFS from 64 KiB while the disk is not
/// waited for, from 8 KiB or 30 KiB if it is. 16 KiB is between them.
const CLONE_FROM: u64 = 16 * 1024;

/// Data of up to this length that cannot be cloned is held in memory as a whole. Then any thread can write it, and a
/// failed read leaves nothing behind. In bytes.
const MEMORY: u64 = 256 * 1024;

/// How a member's data gets into its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Read as a whole, then written.
    Memory,
    /// From one file to the other, span by span; holes stay holes.
    Spans,
    /// Read and written in pieces, while the source waits.
    Stream,
}

impl Transport {
    pub(super) fn of<S: Source + ?Sized>(
        entry: &Entry,
        source: &S,
        fs_block: Alignment,
        policy: ClonePolicy,
    ) -> Result<Self, Refusal> {
        check(entry, source.archive_len())?;
        let (len, is_sparse) = (entry.stored_len, entry.sparse.is_some());
        let is_file = source.file().is_some();
        if policy == ClonePolicy::Required && len >= fs_block.bytes() {
            return if is_file { Ok(Transport::Spans) } else { Err(Refusal::NotCloneable) };
        }
        let is_short = len < if is_file && fs_block.is_aligned(entry.data_offset) { CLONE_FROM } else { MEMORY + 1 };
        Ok(match (is_short && !is_sparse, is_file) {
            (true, _) => Transport::Memory,
            (false, true) => Transport::Spans,
            (false, false) => Transport::Stream,
        })
    }
}

/// Checks all sums here once, so that nothing overflows later.
fn check(entry: &Entry, archive_len: Option<u64>) -> Result<(), Refusal> {
    let (size, stored_len, data_offset) = (entry.member.size(), entry.stored_len, entry.data_offset);
    let archive_len = archive_len.unwrap_or(u64::MAX);
    let is_inside = data_offset.checked_add(stored_len).is_some_and(|end| end <= archive_len);
    let is_whole = entry.sparse.is_some() || stored_len == size;
    if i64::try_from(size).is_err() || !is_inside || !is_whole {
        return Err(Refusal::Length { size, stored_len, data_offset });
    }
    check_sparse(entry)
}

fn check_sparse(entry: &Entry) -> Result<(), Refusal> {
    let Some(spans) = &entry.sparse else { return Ok(()) };
    let mut end = 0;
    let mut sum = 0u64;
    for (index, span) in spans.iter().enumerate() {
        let span_end = span.offset.checked_add(span.length).filter(|&end| end <= entry.member.size());
        end = span_end.filter(|_| span.offset >= end).ok_or(Refusal::SparseMap { index })?;
        // Spans that do not overlap add up to no more than the size.
        sum += span.length;
    }
    if sum <= entry.stored_len { Ok(()) } else { Err(Refusal::SparseMap { index: spans.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::DataSpan;
    use crate::member::{Kind, Member};
    use crate::source::{FileSource, StreamSource};

    fn entry(size: u64, data_offset: u64, spans: Option<&[(u64, u64)]>) -> Entry {
        let sparse: Option<Vec<_>> =
            spans.map(|spans| spans.iter().map(|&(offset, length)| DataSpan { offset, length }).collect());
        let stored_len = sparse.iter().flatten().fold(0u64, |sum, span: &DataSpan| sum.wrapping_add(span.length));
        let stored_len = if spans.is_some() { stored_len } else { size };
        Entry {
            member: Member::new("a", Kind::Regular { size }, 0o600),
            header_offset: 0,
            data_offset,
            stored_len,
            sparse,
        }
    }

    #[test]
    fn lengths_and_maps_that_do_not_fit_are_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10_000).unwrap();
        let source = FileSource::new(&file).unwrap();
        let length = |entry: &Entry| Refusal::Length {
            size: entry.member.size(),
            stored_len: entry.stored_len,
            data_offset: entry.data_offset,
        };
        let (first, second) =
            (|_: &Entry| Refusal::SparseMap { index: 0 }, |_: &Entry| Refusal::SparseMap { index: 1 });
        type Expected<'a> = &'a dyn Fn(&Entry) -> Refusal;
        let cases: [(Entry, Option<Expected<'_>>); 13] = [
            (entry(9_000, 1_000, None), None),
            (entry(9_001, 1_000, None), Some(&length)),
            (entry(1 << 63, 0, None), Some(&length)),
            (entry(10, u64::MAX - 5, None), Some(&length)),
            (entry(1 << 40, 1_000, Some(&[(0, 10), (10, 5), (1 << 39, 0)])), None),
            (entry(100, 0, Some(&[])), None),
            (entry(100, 0, Some(&[(0, 10), (9, 5)])), Some(&second)),
            (entry(100, 0, Some(&[(50, 10), (0, 5)])), Some(&second)),
            (entry(100, 0, Some(&[(99, 2)])), Some(&first)),
            (entry(100, 0, Some(&[(u64::MAX, 1)])), Some(&first)),
            (entry(1 << 40, 0, Some(&[(0, 1 << 39)])), Some(&length)),
            (Entry { stored_len: 4, ..entry(100, 0, Some(&[(0, 5)])) }, Some(&second)),
            (Entry { stored_len: 6, ..entry(100, 0, Some(&[(0, 5)])) }, None),
        ];
        for (entry, expected) in cases {
            let way = Transport::of(&entry, &source, Alignment::DEFAULT, ClonePolicy::IfPossible);
            assert_eq!(way.err(), expected.map(|expected| expected(&entry)), "{entry:?}");
        }
    }

    #[test]
    fn short_data_goes_through_memory_and_long_data_does_not() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 30).unwrap();
        let source = FileSource::new(&file).unwrap();
        let stream = StreamSource::new(&b""[..]);
        let policies = [ClonePolicy::Never, ClonePolicy::IfPossible, ClonePolicy::Required];
        let of_file = |size, offset| {
            policies
                .map(|policy| Transport::of(&entry(size, offset, None), &source, Alignment::DEFAULT, policy).unwrap())
        };
        assert_eq!(of_file(0, 4096), [Transport::Memory; 3]);
        assert_eq!(of_file(CLONE_FROM - 1, 4096), [Transport::Memory, Transport::Memory, Transport::Spans]);
        assert_eq!(of_file(CLONE_FROM, 4096), [Transport::Spans; 3]);
        assert_eq!(of_file(MEMORY, 512), [Transport::Memory, Transport::Memory, Transport::Spans]);
        assert_eq!(of_file(MEMORY + 1, 512), [Transport::Spans; 3]);
        let of_stream =
            |size| policies.map(|policy| Transport::of(&entry(size, 4096, None), &stream, Alignment::DEFAULT, policy));
        assert_eq!(of_stream(4095), [Ok(Transport::Memory); 3]);
        assert_eq!(of_stream(MEMORY), [Ok(Transport::Memory), Ok(Transport::Memory), Err(Refusal::NotCloneable)]);
        assert_eq!(of_stream(MEMORY + 1), [Ok(Transport::Stream), Ok(Transport::Stream), Err(Refusal::NotCloneable)]);
    }
}
