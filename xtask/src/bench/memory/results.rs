//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// Of podman's time without an archive.
const RATIO: f64 = 1.15;

/// One timed command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// Of that, where CRIU dumped the memory, or restored the processes.
    pub(super) criu_us: Option<u64>,
    /// How long CRIU held the tasks; of a checkpoint.
    pub(super) frozen_us: Option<u64>,
    pub(super) peak_memory_bytes: u64,
}

/// A checkpoint, and two restores from it: with what it left in the page cache, and with nothing in there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) contender: Contender,
    pub(super) checkpoint: Sample,
    pub(super) warm: Sample,
    pub(super) cold: Sample,
    /// The archive read from the disk by dd; `None` without one.
    pub(super) read_us: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Checkpoint,
    Warm,
    Cold,
}

impl Job {
    pub(super) const ALL: [Self; 3] = [Self::Checkpoint, Self::Warm, Self::Cold];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Warm => "restore, warm",
            Self::Cold => "restore, cold",
        }
    }
}

impl Round {
    fn sample(&self, job: Job) -> &Sample {
        match job {
            Job::Checkpoint => &self.checkpoint,
            Job::Warm => &self.warm,
            Job::Cold => &self.cold,
        }
    }
}

/// What the lab found out; rounds in the order in which they ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MemoryResults {
    pub(super) machine: Machine,
    pub(super) runtime: String,
    pub(super) rounds: Vec<Round>,
    /// As many bytes written and synced, each time a whole process.
    pub(super) write_us: Vec<u64>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct MemoryReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: MemoryResults,
}

impl MemoryReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: MemoryResults) -> Self {
        let verdicts = results.verdicts();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl MemoryResults {
    fn samples(&self, contender: Contender, job: Job) -> impl Iterator<Item = &Sample> {
        self.rounds.iter().filter(move |round| round.contender == contender).map(move |round| round.sample(job))
    }

    /// `None` if the contender was left out.
    pub(super) fn elapsed(&self, contender: Contender, job: Job) -> Option<Spread> {
        Spread::of(self.samples(contender, job).map(|sample| sample.elapsed_us))
    }

    pub(super) fn criu(&self, contender: Contender, job: Job) -> Option<Spread> {
        Spread::of(self.samples(contender, job).filter_map(|sample| sample.criu_us))
    }

    /// The archive of `ckpt` read from the disk.
    pub(super) fn read(&self) -> Option<Spread> {
        let rounds = self.rounds.iter().filter(|round| round.contender == Contender::Ckpt);
        Spread::of(rounds.filter_map(|round| round.read_us))
    }

    /// The highest of all rounds.
    pub(super) fn peak_memory_bytes(&self, contender: Contender) -> Option<u64> {
        let samples = Job::ALL.into_iter().flat_map(|job| self.samples(contender, job));
        samples.map(|sample| sample.peak_memory_bytes).max()
    }

    /// How many times as long as podman without an archive.
    pub(super) fn ratio(&self, contender: Contender, job: Job) -> Option<f64> {
        Some(self.elapsed(contender, job)?.ratio(&self.elapsed(Contender::Local, job)?))
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |job: Job| {
            let ratio = self.ratio(Contender::Ckpt, job)?;
            let what = format!("{}, median", job.title());
            Some(Verdict::new(what, "× podman without an archive", Bound::AtMost(RATIO), ratio))
        };
        Job::ALL.into_iter().filter_map(verdict).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// podman without an archive takes 10 s for everything, `ckpt` 11 s for the checkpoint, 12 s warm and 13 s cold.
    pub(in super::super) fn results() -> MemoryResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let sample = |seconds: u64| Sample {
            elapsed_us: seconds * 1_000_000,
            criu_us: Some(5_000_000),
            frozen_us: Some(6_000_000),
            peak_memory_bytes: 8 << 20,
        };
        let round = |contender, [checkpoint, warm, cold]: [u64; 3]| Round {
            contender,
            checkpoint: sample(checkpoint),
            warm: sample(warm),
            cold: sample(cold),
            read_us: (contender != Contender::Local).then_some(7_000_000),
        };
        let rounds = vec![round(Contender::Ckpt, [11, 12, 13]), round(Contender::Local, [10, 10, 10])];
        MemoryResults { machine, runtime: "crun".into(), rounds, write_us: vec![4_000_000] }
    }

    #[test]
    fn each_job_is_compared_with_podman() {
        let found: Vec<_> = results().verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.1, true), (1.2, false), (1.3, false)]);
    }
}
