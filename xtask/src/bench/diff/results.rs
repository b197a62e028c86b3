//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// podman's time, of ours.
const TIMES_FASTER: f64 = 10.0;
/// Time over the whole image, of that over a tenth of it, with the same changes.
const GROWTH: f64 = 1.3;
const MEMORY_MIB: f64 = 64.0;

/// Which image lies below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Image {
    Tenth,
    Whole,
}

impl Image {
    pub(super) fn files(self, workload: &Workload) -> u32 {
        match self {
            Self::Tenth => workload.image_files / 10,
            Self::Whole => workload.image_files,
        }
    }
}

/// One timed command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// In user and kernel mode.
    pub(super) cpu_us: u64,
    pub(super) peak_memory_bytes: u64,
    /// What it printed.
    pub(super) lines: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) image: Image,
    /// Else `ckpt`.
    pub(super) is_podman: bool,
    pub(super) sample: Sample,
}

/// What the lab found out; rounds in the order in which they ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DiffResults {
    pub(super) machine: Machine,
    pub(super) rounds: Vec<Round>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct DiffReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: DiffResults,
}

impl Report for DiffReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl DiffReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: DiffResults) -> Self {
        let verdicts = results.verdicts();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl DiffResults {
    fn samples(&self, image: Image, is_podman: bool) -> impl Iterator<Item = &Sample> {
        let rounds = self.rounds.iter().filter(move |round| round.image == image && round.is_podman == is_podman);
        rounds.map(|round| &round.sample)
    }

    pub(super) fn elapsed(&self, image: Image, is_podman: bool) -> Option<Spread> {
        Spread::of(self.samples(image, is_podman).map(|sample| sample.elapsed_us))
    }

    pub(super) fn cpu(&self, image: Image, is_podman: bool) -> Option<Spread> {
        Spread::of(self.samples(image, is_podman).map(|sample| sample.cpu_us))
    }

    /// The highest of all rounds.
    pub(super) fn peak_memory_bytes(&self, image: Image, is_podman: bool) -> Option<u64> {
        self.samples(image, is_podman).map(|sample| sample.peak_memory_bytes).max()
    }

    pub(super) fn lines(&self, image: Image, is_podman: bool) -> Option<u64> {
        self.samples(image, is_podman).map(|sample| sample.lines).max()
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let ours = self.elapsed(Image::Whole, false);
        let faster = ours.zip(self.elapsed(Image::Whole, true)).map(|(ours, podman)| {
            Verdict::new("whole image", "× faster than podman", Bound::AtLeast(TIMES_FASTER), podman.ratio(&ours))
        });
        let growth = ours.zip(self.elapsed(Image::Tenth, false)).map(|(whole, tenth)| {
            Verdict::new("image ten times as large", "× the time", Bound::AtMost(GROWTH), whole.ratio(&tenth))
        });
        let memory = self.peak_memory_bytes(Image::Whole, false).map(|bytes| {
            let mebibytes = bytes as f64 / f64::from(1 << 20);
            Verdict::new("peak memory", "MiB", Bound::AtMost(MEMORY_MIB), mebibytes)
        });
        [faster, growth, memory].into_iter().flatten().collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn results() -> DiffResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let round = |image, is_podman, elapsed_us| {
            let sample = Sample { elapsed_us, cpu_us: elapsed_us, peak_memory_bytes: 8 << 20, lines: 100_000 };
            Round { image, is_podman, sample }
        };
        let rounds = vec![
            round(Image::Tenth, false, 400_000),
            round(Image::Whole, false, 500_000),
            round(Image::Whole, true, 4_000_000),
        ];
        DiffResults { machine, rounds }
    }

    #[test]
    fn every_target_has_its_verdict() {
        let found: Vec<_> = results().verdicts().into_iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(8.0, false), (1.25, true), (8.0, true)]);
    }
}
