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

/// The runs of equal blocks from some place on, as they are found step by step.
pub(super) struct EqualRuns {
    block: Alignment,
    runs: Vec<Range<u64>>,
    /// Bytes looked at.
    length: u64,
    /// Where the last block ends that differs.
    equal_from: u64,
}

impl EqualRuns {
    pub(super) fn new(block: Alignment) -> Self {
        Self { block, runs: Vec::new(), length: 0, equal_from: 0 }
    }

    /// Compares the next bytes of both, the same number of each.
    pub(super) fn compare(&mut self, source: &[u8], target: &[u8]) {
        let size = usize::try_from(self.block.bytes()).unwrap_or(usize::MAX);
        for (one, other) in source.chunks(size).zip(target.chunks(size)) {
            let (start, end) = (self.length, self.length + one.len() as u64);
            self.length = end;
            if one == other {
                match self.runs.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => self.runs.push(start..end),
                }
            } else {
                self.equal_from = end;
            }
        }
    }

    /// Bytes looked at.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// From where on all is equal: a run that may go on behind what was looked at. The length where nothing is.
    pub(super) fn equal_from(&self) -> u64 {
        self.equal_from
    }

    /// Those that end by `end`, in bytes from the beginning; short ones are left out.
    pub(super) fn until(mut self, end: u64) -> Vec<Range<u64>> {
        self.runs.retain(|run| run.end <= end && run.end - run.start >= SHORTEST.max(self.block.bytes()));
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 1 << 12;

    fn compared(source: &[u8], target: &[u8], step: usize) -> EqualRuns {
        let mut runs = EqualRuns::new(Alignment::DEFAULT);
        source.chunks(step).zip(target.chunks(step)).for_each(|(one, other)| runs.compare(one, other));
        assert_eq!(runs.length(), source.len() as u64);
        runs
    }

    #[test]
    fn runs_of_equal_blocks_are_found_whatever_the_steps_and_short_ones_left_out() {
        let source = vec![1; 40 * BLOCK];
        let mut target = source.clone();
        for block in [9, 11, 30] {
            target[block * BLOCK + 7] = 2;
        }
        let bytes = |blocks: Range<usize>| (blocks.start * BLOCK) as u64..(blocks.end * BLOCK) as u64;
        for step in [BLOCK, 3 * BLOCK, 16 * BLOCK, 40 * BLOCK] {
            let found = |target: &[u8], blocks| compared(&source, target, step).until((blocks * BLOCK) as u64);
            assert_eq!(found(&target, 40), [bytes(0..9), bytes(12..30), bytes(31..40)], "{step}");
            assert_eq!(found(&target, 31), [bytes(0..9), bytes(12..30)], "{step}");
            assert_eq!(found(&source, 40), [bytes(0..40)], "{step}");
        }
        assert_eq!(compared(&[1; 8192], &[2; 8192], BLOCK).until(8192), []);
    }

    #[test]
    fn a_run_may_go_on_until_a_block_differs() {
        let source = vec![1; 8 * BLOCK];
        let mut target = source.clone();
        assert_eq!(compared(&source, &target, BLOCK).equal_from(), 0);
        for block in [5, 7] {
            target[block * BLOCK + 7] = 2;
            assert_eq!(compared(&source, &target, BLOCK).equal_from(), ((block + 1) * BLOCK) as u64);
        }
    }
}
