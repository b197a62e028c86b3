//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::way::Way;
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// A way, what it is measured against, and how many times the time of that it may take.
const TARGETS: [(Way, Way, f64); 4] = [
    (Way::CheckpointByDescriptor, Way::Checkpoint, 1.25),
    (Way::CheckpointBySocket, Way::CheckpointThenRead, 1.05),
    (Way::RestoreByDescriptor, Way::Restore, 1.25),
    (Way::RestoreBySocket, Way::RestoreByPipe, 1.25),
];

/// One way, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) way: Way,
    /// The client's whole process, wall clock.
    pub(super) elapsed_us: u64,
}

/// What the lab found out; in the order in which it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ServeResults {
    pub(super) machine: Machine,
    /// Highest memory of the service, bytes.
    pub(super) peak_memory_bytes: u64,
    pub(super) samples: Vec<Sample>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct ServeReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: ServeResults,
}

impl Report for ServeReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl ServeReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: ServeResults) -> Self {
        let verdicts = results.verdicts();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl ServeResults {
    /// `None` if nothing was measured.
    pub(super) fn spread(&self, way: Way) -> Option<Spread> {
        Spread::of(self.samples.iter().filter(|sample| sample.way == way).map(|sample| sample.elapsed_us))
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |(way, against, limit): (Way, Way, f64)| {
            let unit = match against {
                Way::CheckpointThenRead => "× ckpt, then read",
                Way::RestoreByPipe => "× the pipe",
                _ => "× ckpt itself",
            };
            let ratio = self.spread(way)?.ratio(&self.spread(against)?);
            Some(Verdict::new(way.title(), unit, Bound::AtMost(limit), ratio))
        };
        let memory = Verdict::new(
            "memory of the service",
            "MiB",
            Bound::AtMost(64.0),
            self.peak_memory_bytes as f64 / f64::from(1 << 20),
        );
        TARGETS.into_iter().filter_map(verdict).chain([memory]).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn results() -> ServeResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let samples = [(Way::Restore, 400_000), (Way::RestoreByDescriptor, 440_000)];
        let samples = samples.map(|(way, elapsed_us)| Sample { way, elapsed_us });
        ServeResults { machine, peak_memory_bytes: 32 << 20, samples: samples.to_vec() }
    }

    #[test]
    fn what_goes_by_the_service_is_compared_with_what_does_not() {
        let found: Vec<_> = results().verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.1, true), (32.0, true)]);
    }
}
