//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::contender::Contender;
use crate::bench::machine::Machine;
use crate::bench::spread::Spread;

/// Memory of a process of which it is no part of a restore's time.
pub(super) const FLOOR_MEBIBYTES: u64 = 1;

/// A checkpoint: one timed command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dumped {
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// Of that, where CRIU dumped the memory.
    pub(super) criu_us: Option<u64>,
    pub(super) peak_memory_bytes: u64,
}

/// A restore; all times from the command's start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Restored {
    /// Until the command ended.
    pub(super) returned_us: u64,
    /// Until the process gave a byte of its memory.
    pub(super) answered_us: u64,
    /// Until all of its memory was there.
    pub(super) complete_us: u64,
    /// Of the command.
    pub(super) peak_memory_bytes: u64,
    /// Of all processes that bring memory later, together.
    pub(super) server_memory_bytes: u64,
    /// What it comes from, read by dd in the same state of the cache; measured where memory comes later.
    pub(super) read_us: Option<u64>,
    /// The same read and put, each page once, by as many threads as there are processors, and nothing else.
    pub(super) limit_us: Option<u64>,
}

/// A checkpoint, and two restores from it: with all of it in the page cache, and with nothing in there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) contender: Contender,
    pub(super) checkpoint: Dumped,
    pub(super) warm: Restored,
    pub(super) cold: Restored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cache {
    Warm,
    Cold,
}

impl Cache {
    pub(super) const ALL: [Self; 2] = [Self::Warm, Self::Cold];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// What was found with one runtime and so much memory; rounds in the order in which they ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) mebibytes: u64,
    pub(super) runtime: String,
    pub(super) rounds: Vec<Round>,
}

/// What the lab found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MemoryResults {
    pub(super) machine: Machine,
    pub(super) groups: Vec<Group>,
}

impl MemoryResults {
    /// The least that a restore by this runtime takes.
    pub(super) fn floor(&self, runtime: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.mebibytes == FLOOR_MEBIBYTES && group.runtime == runtime)
    }
}

impl Group {
    fn of(&self, contender: Contender) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.contender == contender)
    }

    /// `None` if the contender was left out.
    pub(super) fn dumped(&self, contender: Contender, field: impl Fn(&Dumped) -> u64) -> Option<Spread> {
        Spread::of(self.of(contender).map(|round| field(&round.checkpoint)))
    }

    /// `None` if the contender was left out, or the field was not measured.
    pub(super) fn restored(
        &self,
        (contender, cache): (Contender, Cache),
        field: impl Fn(&Restored) -> Option<u64>,
    ) -> Option<Spread> {
        let restored = |round: &Round| match cache {
            Cache::Warm => field(&round.warm),
            Cache::Cold => field(&round.cold),
        };
        Spread::of(self.of(contender).filter_map(restored))
    }

    /// The highest of all rounds and caches.
    pub(super) fn highest(&self, contender: Contender, field: impl Fn(&Restored) -> u64) -> Option<u64> {
        self.of(contender).flat_map(|round| [field(&round.warm), field(&round.cold)]).max()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// With 1 MiB, podman's container runs after 0.3 s, and after 0.4 s out of an archive. With 1 GiB it does after 2 s, that of `ckpt` after 2.1 s, and after
    /// 0.36 s with memory that comes later, which takes another 0.5 s; dd takes 0.4 s.
    pub(in super::super) fn results() -> MemoryResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let round = |contender, [returned, answered, complete]: [u64; 3]| {
            let restored = Restored {
                returned_us: returned * 1000,
                answered_us: answered * 1000,
                complete_us: complete * 1000,
                peak_memory_bytes: 8 << 20,
                server_memory_bytes: 5 << 20,
                read_us: Some(400_000),
                limit_us: Some(450_000),
            };
            let checkpoint = Dumped { elapsed_us: 3_000_000, criu_us: Some(2_000_000), peak_memory_bytes: 7 << 20 };
            Round { contender, checkpoint, warm: restored.clone(), cold: restored }
        };
        let group = |mebibytes, rounds| Group { mebibytes, runtime: "crun".into(), rounds };
        let groups = vec![
            group(1, vec![round(Contender::Local, [300, 250, 300]), round(Contender::Podman, [400, 330, 400])]),
            group(
                1024,
                vec![
                    round(Contender::Ckpt, [2100, 2000, 2100]),
                    round(Contender::Local, [2000, 1900, 2000]),
                    round(Contender::Lazy, [360, 330, 830]),
                ],
            ),
        ];
        MemoryResults { machine, groups }
    }
}
