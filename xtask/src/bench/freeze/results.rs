//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// CRIU's time with all of the data, of that with none: its own work varies by some milliseconds.
const RATIO: f64 = 1.25;

/// Where the archive goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Destination {
    SameFileSystem,
    Elsewhere,
    Compressed,
}

impl Destination {
    pub(super) const ALL: [Self; 3] = [Self::SameFileSystem, Self::Elsewhere, Self::Compressed];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::SameFileSystem => "same file system",
            Self::Elsewhere => "another one (ext4)",
            Self::Compressed => "compressed (zstd)",
        }
    }
}

/// One checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) files: u32,
    pub(super) destination: Destination,
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// From all tasks stopped to all running again, as CRIU measured it.
    pub(super) frozen_us: u64,
    /// From the container first seen standing to the last.
    pub(super) observed_frozen_us: u64,
    /// Of that, where files were taken.
    pub(super) capture_us: u64,
    /// What was expected of that beforehand.
    pub(super) expected_capture_us: u64,
    /// Bytes copied in that time.
    pub(super) capture_copied_bytes: u64,
}

/// What the lab found out; in the order in which it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FreezeResults {
    pub(super) machine: Machine,
    pub(super) samples: Vec<Sample>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct FreezeReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: FreezeResults,
}

impl Report for FreezeReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl FreezeReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: FreezeResults) -> Self {
        let verdicts = results.verdicts(workload.files);
        Self { fs, commit, workload, verdicts, results }
    }
}

impl FreezeResults {
    /// `None` if nothing was measured there.
    pub(super) fn spread(
        &self,
        files: u32,
        destination: Destination,
        field: impl Fn(&Sample) -> u64,
    ) -> Option<Spread> {
        Spread::of(
            self.samples.iter().filter(|sample| (sample.files, sample.destination) == (files, destination)).map(field),
        )
    }

    fn verdicts(&self, files: u32) -> Vec<Verdict> {
        let verdict = |destination: Destination| {
            let frozen = |files| self.spread(files, destination, |sample| sample.frozen_us);
            let what = format!("frozen, {}", destination.title());
            Some(Verdict::new(what, "× without data", Bound::AtMost(RATIO), frozen(files)?.ratio(&frozen(0)?)))
        };
        Destination::ALL.into_iter().filter_map(verdict).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn results() -> FreezeResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let sample = |files, frozen_us| Sample {
            files,
            destination: Destination::Elsewhere,
            elapsed_us: 300_000,
            frozen_us,
            observed_frozen_us: frozen_us + 100_000,
            capture_us: 4_000,
            expected_capture_us: 6_000,
            capture_copied_bytes: 9_000,
        };
        FreezeResults { machine, samples: vec![sample(0, 60_000), sample(20, 66_000), sample(20, 66_000)] }
    }

    #[test]
    fn the_freeze_with_data_is_compared_with_that_without() {
        let found: Vec<_> = results().verdicts(20).iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.1, true)]);
    }
}
