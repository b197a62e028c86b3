//! The numbers of a run, as they are in the JSON file, and what they are to be.

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// Of podman's time for as many containers without files.
const PODMAN_RATIO: f64 = 1.1;
/// How much longer as many restores take one after the other, on two cores.
const SPEEDUP: f64 = 1.5;
/// Until the first copy, of a single restore.
const FIRST_RATIO: f64 = 1.2;
const MEMORY_MIB: f64 = 64.0;

/// Some copies, made once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) contender: Contender,
    pub(super) copies: u32,
    /// Until all run.
    pub(super) elapsed_us: u64,
    /// Until the first runs, where that is told.
    pub(super) first_us: Option<u64>,
    /// Of `ckpt` itself.
    pub(super) peak_memory_bytes: u64,
}

/// What the lab found out; in the order in which it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ForkResults {
    pub(super) machine: Machine,
    pub(super) jobs: u32,
    pub(super) samples: Vec<Sample>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct ForkReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: ForkResults,
}

impl Report for ForkReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl ForkReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: ForkResults) -> Self {
        let verdicts = workload.copies.iter().flat_map(|&copies| results.verdicts(copies)).collect();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl ForkResults {
    /// `None` if nothing was measured there.
    pub(super) fn spread(
        &self,
        (contender, copies): (Contender, u32),
        field: impl Fn(&Sample) -> Option<u64>,
    ) -> Option<Spread> {
        let of = |sample: &&Sample| (sample.contender, sample.copies) == (contender, copies);
        Spread::of(self.samples.iter().filter(of).filter_map(field))
    }

    pub(super) fn highest_memory(&self, of: (Contender, u32)) -> Option<u64> {
        self.spread(of, |sample| Some(sample.peak_memory_bytes)).map(|spread| spread.max)
    }

    fn verdicts(&self, copies: u32) -> Vec<Verdict> {
        let elapsed = |contender, copies| self.spread((contender, copies), |sample| Some(sample.elapsed_us));
        let first = self.spread((Contender::Copies, copies), |sample| sample.first_us);
        let ratio = |ours: Option<Spread>, theirs: Option<Spread>| Some(ours?.ratio(&theirs?));
        let [ours, podman, one_by_one] =
            [Contender::Copies, Contender::Podman, Contender::OneByOne].map(|contender| elapsed(contender, copies));
        let memory = self.highest_memory((Contender::Copies, copies)).map(|bytes| bytes as f64 / f64::from(1 << 20));
        let of_one = elapsed(Contender::OneByOne, 1);
        let mut verdicts = vec![
            ("all", "× podman without files", Bound::AtMost(PODMAN_RATIO), ratio(ours, podman)),
            ("the first", "× a single restore", Bound::AtMost(FIRST_RATIO), ratio(first, of_one)),
            ("memory", "MiB", Bound::AtMost(MEMORY_MIB), memory),
        ];
        if copies > 1 {
            verdicts.push(("one by one", "× as long", Bound::AtLeast(SPEEDUP), ratio(one_by_one, ours)));
        }
        let named = |(what, unit, bound, measured): (&str, _, _, Option<f64>)| {
            Some(Verdict::new(format!("{copies} copies: {what}"), unit, bound, measured?))
        };
        verdicts.into_iter().filter_map(named).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn results() -> ForkResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let sample = |contender, copies, elapsed_us, first_us| Sample {
            contender,
            copies,
            elapsed_us,
            first_us,
            peak_memory_bytes: 8 << 20,
        };
        let samples = vec![
            sample(Contender::OneByOne, 1, 400_000, None),
            sample(Contender::Copies, 4, 1_000_000, Some(500_000)),
            sample(Contender::OneByOne, 4, 1_700_000, None),
            sample(Contender::Podman, 4, 1_000_000, None),
        ];
        ForkResults { machine, jobs: 4, samples }
    }

    #[test]
    fn copies_are_compared_with_podman_and_with_single_restores() {
        let found: Vec<_> = results().verdicts(4).iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.0, true), (1.25, false), (8.0, true), (1.7, true)]);
    }
}
