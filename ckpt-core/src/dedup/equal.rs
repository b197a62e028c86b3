//! Which blocks are equal, where not all are: the kernel says no more than that.

use std::ops::Range;

use aligntar::Alignment;

/// Fewer bytes in a row stay as they are: not for the sake of the metadata, but of those who read the archive later.
///
/// Measured with files of 64 MiB of which each second run is equal (Linux 6.18, loop devices,
/// one run, others at work on the machine):
///
/// | run | metadata, BTRFS | saved of 32 MiB, BTRFS, XFS | reads from the disk in, BTRFS, XFS | share 1 MiB in, BTRFS, XFS |
/// |---|---|---|---|---|
/// | 4 KiB | 220 bytes, kept twice | 28.6, 31.6 MiB | 3.6, 5.5 s | 13.8, 30.9 ms |
/// | 16 KiB | 216 bytes | 31.2, 31.9 MiB | 1.1, 4.9 s | 4.0, 3.9 ms |
/// | 32 KiB | 224 bytes | 31.6, 31.9 MiB | 0.9, 1.1 s | 3.7, 2.4 ms |
/// | 64 KiB | 192 bytes | 31.8, 32.0 MiB | 1.3, 1.0 s | 3.2, 1.1 ms |
/// | not shared | | | 0.2–0.5, 0.1 s | |
///
/// A page alone would still save ten times what it costs. Where a page in a hundred has changed by chance, one equal page
/// in 300 lies in a shorter run than this.
pub(super) const SHORTEST: u64 = 32 << 10;

/// The runs of equal blocks of two pieces of the same length, in bytes from their beginning; short ones are left out.
pub(super) fn equal_runs(source: &[u8], target: &[u8], block: Alignment) -> Vec<Range<u64>> {
    let size = usize::try_from(block.bytes()).unwrap_or(usize::MAX);
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    for (one, other) in source.chunks(size).zip(target.chunks(size)) {
        let end = at + one.len() as u64;
        if one == other {
            match runs.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => runs.push(at..end),
            }
        }
        at = end;
    }
    runs.retain(|run| run.end - run.start >= SHORTEST.max(block.bytes()));
    runs
}

/// How many bytes at the end of two pieces of the same length are in equal blocks.
pub(super) fn equal_tail(source: &[u8], target: &[u8], block: Alignment) -> usize {
    let size = usize::try_from(block.bytes()).unwrap_or(usize::MAX);
    let blocks = source.chunks(size).rev().zip(target.chunks(size).rev());
    blocks.take_while(|(one, other)| one == other).map(|(one, _)| one.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_at_the_end_is_found() {
        let source = vec![1; 8 << 12];
        let mut target = source.clone();
        assert_eq!(equal_tail(&source, &target, Alignment::DEFAULT), 8 << 12);
        target[(5 << 12) + 7] = 2;
        assert_eq!(equal_tail(&source, &target, Alignment::DEFAULT), 2 << 12);
        target[(7 << 12) + 7] = 2;
        assert_eq!(equal_tail(&source, &target, Alignment::DEFAULT), 0);
    }

    #[test]
    fn runs_of_equal_blocks_are_found_and_short_ones_left_out() {
        let source = vec![1; 40 << 12];
        let mut target = source.clone();
        for block in [9, 11, 30] {
            target[(block << 12) + 7] = 2;
        }
        let runs = |pages: &[Range<u64>]| pages.iter().map(|run| run.start << 12..run.end << 12).collect::<Vec<_>>();
        assert_eq!(equal_runs(&source, &target, Alignment::DEFAULT), runs(&[0..9, 12..30, 31..40]));
        assert_eq!(equal_runs(&source, &source, Alignment::DEFAULT).first(), Some(&(0..40 << 12)));
        assert_eq!(equal_runs(&[1; 8192], &[2; 8192], Alignment::DEFAULT), []);
    }
}
