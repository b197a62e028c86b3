//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use crate::bench::machine::Machine;
use crate::bench::spread::Spread;

/// One timed command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// Of that, where `ckpt` took or placed files.
    pub(super) files_us: Option<u64>,
    /// How long CRIU waited for the tasks to stop, before it held them; of a
    /// checkpoint. It looks every 100 ms, so by chance this is 0 or 100 ms.
    pub(super) freezing_us: Option<u64>,
    /// How long CRIU held the tasks; of a checkpoint.
    pub(super) frozen_us: Option<u64>,
    /// How long the container was seen standing, from outside; of a checkpoint of `ckpt`.
    pub(super) observed_frozen_us: Option<u64>,
    pub(super) peak_memory_bytes: u64,
    /// Growth of the file system's used space.
    pub(super) grown_bytes: i64,
    pub(super) cloned_bytes: Option<u64>,
    pub(super) copied_bytes: Option<u64>,
}

/// A checkpoint and the restore from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) contender: Contender,
    pub(super) checkpoint: Sample,
    pub(super) restore: Sample,
}

/// What the lab found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SeedResults {
    pub(super) machine: Machine,
    pub(super) runtime: String,
    /// In the order in which they ran.
    pub(super) rounds: Vec<Round>,
    /// `cp --reflink=always` of all files, each time a whole process.
    pub(super) clone_limit_us: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Checkpoint,
    Restore,
}

impl Round {
    pub(super) fn sample(&self, verb: Verb) -> &Sample {
        match verb {
            Verb::Checkpoint => &self.checkpoint,
            Verb::Restore => &self.restore,
        }
    }
}

impl SeedResults {
    pub(super) fn samples(&self, contender: Contender, verb: Verb) -> impl Iterator<Item = &Sample> {
        self.rounds.iter().filter(move |round| round.contender == contender).map(move |round| round.sample(verb))
    }

    /// `None` if the contender was left out.
    pub(super) fn elapsed(&self, contender: Contender, verb: Verb) -> Option<Spread> {
        Spread::of(self.samples(contender, verb).map(|sample| sample.elapsed_us))
    }

    /// Checkpoints without CRIU's wait for the tasks to stop: less chance in the number.
    pub(super) fn elapsed_without_freezing(&self, contender: Contender) -> Option<Spread> {
        let samples = self.samples(contender, Verb::Checkpoint);
        Spread::of(samples.filter_map(|sample| sample.elapsed_us.checked_sub(sample.freezing_us?)))
    }

    /// Of checkpoints; `None` where nobody measured it.
    pub(super) fn dumped(&self, contender: Contender, field: impl Fn(&Sample) -> Option<u64>) -> Option<Spread> {
        Spread::of(self.samples(contender, Verb::Checkpoint).filter_map(field))
    }

    pub(super) fn files(&self, verb: Verb) -> Option<Spread> {
        Spread::of(self.samples(Contender::Ckpt, verb).filter_map(|sample| sample.files_us))
    }

    /// The highest of all rounds.
    pub(super) fn peak_memory_bytes(&self, contender: Contender) -> Option<u64> {
        let verbs = [Verb::Checkpoint, Verb::Restore].into_iter();
        verbs.flat_map(|verb| self.samples(contender, verb)).map(|sample| sample.peak_memory_bytes).max()
    }

    /// The largest of all rounds, in percent of the data.
    pub(super) fn grown_percent(&self, contender: Contender, verb: Verb, data_bytes: u64) -> Option<f64> {
        let grown = self.samples(contender, verb).map(|sample| sample.grown_bytes).max()?;
        Some(grown as f64 * 100.0 / data_bytes as f64)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn round(contender: Contender, elapsed_us: u64) -> Round {
        let sample = Sample {
            elapsed_us,
            files_us: Some(2000),
            freezing_us: Some(100_000),
            frozen_us: Some(60_000),
            observed_frozen_us: Some(65_000),
            peak_memory_bytes: 8 << 20,
            grown_bytes: 5000,
            cloned_bytes: None,
            copied_bytes: None,
        };
        Round { contender, checkpoint: sample.clone(), restore: sample }
    }

    /// `ckpt` takes 0.3 s, the floor 0.2 s, podman 30 s.
    pub(in super::super) fn results() -> SeedResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let rounds = vec![
            round(Contender::Ckpt, 290_000),
            round(Contender::Floor, 200_000),
            round(Contender::Ckpt, 300_000),
            round(Contender::Podman, 30_000_000),
            round(Contender::Ckpt, 310_000),
        ];
        SeedResults { machine, runtime: "crun".into(), rounds, clone_limit_us: vec![4000] }
    }

    #[test]
    fn a_contender_has_its_own_samples() {
        let found = results().elapsed(Contender::Ckpt, Verb::Restore);
        assert_eq!(found, Some(Spread { min: 290_000, median: 300_000, max: 310_000 }));
        assert_eq!(results().elapsed(Contender::PodmanUncompressed, Verb::Restore), None);
    }
}
