//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// The freeze with all files, of that with few of them.
const FROZEN: f64 = 1.5;

/// The whole checkpoint, of one copy of the files that is synced.
const WHOLE: f64 = 1.3;

/// A restore, of one copy that is not.
const RESTORE: f64 = 1.1;

/// What was expected of the freeze, of what it took.
const EXPECTED: f64 = 2.0;

/// One round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) megabytes: u64,
    /// Whether the page cache was empty.
    pub(super) cold: bool,
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// From all tasks stopped to all running again, as CRIU measured it.
    pub(super) frozen_us: u64,
    /// Of that, where files were taken.
    pub(super) capture_us: u64,
    pub(super) expected_capture_us: u64,
    pub(super) capture_copied_bytes: u64,
    /// `cp -a` of the files, synced, with the page cache as before.
    pub(super) copy_us: u64,
    /// `ckpt restore` of the archive.
    pub(super) restore_us: u64,
    /// `cp -a` of the files, not synced.
    pub(super) plain_copy_us: u64,
}

/// podman's own checkpoint to an uncompressed archive; it stops the container, which stands still for all of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Podman {
    pub(super) megabytes: u64,
    pub(super) stopped_us: u64,
}

/// What the lab found out; in the order in which it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PassesResults {
    pub(super) machine: Machine,
    pub(super) samples: Vec<Sample>,
    pub(super) podman: Vec<Podman>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct PassesReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: PassesResults,
}

impl Report for PassesReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl PassesReport {
    pub(super) fn new(fs: FileSystem, commit: String, results: PassesResults) -> Self {
        PassesReport { fs, commit, verdicts: results.verdicts(), results }
    }
}

impl PassesResults {
    /// Sizes, the smallest first.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<_> = self.samples.iter().map(|sample| sample.megabytes).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// `None` if nothing was measured there.
    pub(super) fn spread(&self, megabytes: u64, cold: bool, field: fn(&Sample) -> u64) -> Option<Spread> {
        let chosen = self.samples.iter().filter(|sample| (sample.megabytes, sample.cold) == (megabytes, cold));
        Spread::of(chosen.map(field))
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let sizes = self.sizes();
        let (Some(&few), Some(&all)) = (sizes.first(), sizes.last()) else { return Vec::new() };
        [false, true].into_iter().filter_map(|cold| self.verdicts_of(few, all, cold)).flatten().collect()
    }

    fn verdicts_of(&self, few: u64, all: u64, cold: bool) -> Option<Vec<Verdict>> {
        let of = |megabytes, field| self.spread(megabytes, cold, field);
        let whole = of(all, |sample| sample.elapsed_us)?.ratio(&of(all, |sample| sample.copy_us)?);
        let restore = of(all, |sample| sample.restore_us)?.ratio(&of(all, |sample| sample.plain_copy_us)?);
        let frozen = of(all, |sample| sample.frozen_us)?.ratio(&of(few, |sample| sample.frozen_us)?);
        let expected = of(all, |sample| sample.expected_capture_us)?.ratio(&of(all, |sample| sample.capture_us)?);
        let cache = if cold { "cold" } else { "warm" };
        let verdict = |what, unit, limit, measured| {
            Verdict::new(format!("{what}, {all} MB, {cache}"), unit, Bound::AtMost(limit), measured)
        };
        Some(vec![
            verdict("frozen", "× that with 10 MB", FROZEN, frozen),
            verdict("whole", "× cp -a, synced", WHOLE, whole),
            verdict("expected of the files", "× or ÷", EXPECTED, expected.max(1.0 / expected)),
            verdict("restore", "× cp -a", RESTORE, restore),
        ])
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn results() -> PassesResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let sample = |megabytes, frozen_us| Sample {
            megabytes,
            cold: false,
            elapsed_us: 6_000_000,
            frozen_us,
            capture_us: 30_000,
            expected_capture_us: 10_000,
            capture_copied_bytes: 9_000,
            copy_us: 5_000_000,
            restore_us: 4_000_000,
            plain_copy_us: 4_000_000,
        };
        let podman = vec![Podman { megabytes: 1000, stopped_us: 9_000_000 }];
        PassesResults { machine, samples: vec![sample(10, 100_000), sample(1000, 140_000)], podman }
    }

    #[test]
    fn all_files_are_compared_with_few_and_with_copies() {
        let found: Vec<_> = results().verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.4, true), (1.2, true), (3.0, false), (1.0, true)]);
    }
}
