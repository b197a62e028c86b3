//! The numbers of a run, as they are in the JSON file, and as people read them.

use serde::{Deserialize, Serialize};

use super::workload::Workload;
use crate::bench::cells::{new_table, seconds, targets};
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// One archive, there and back; whole commands, wall clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) archive_bytes: u64,
    /// `sha256sum` of it, warm.
    pub(super) digest_us: u64,
    /// To a folder of images.
    pub(super) layout_us: u64,
    /// To a registry and back, as it is, by `ckpt` and by `skopeo`.
    pub(super) push_us: u64,
    pub(super) skopeo_push_us: u64,
    pub(super) pull_us: u64,
    pub(super) skopeo_pull_us: u64,
    /// The same as `ckpt` does it by default.
    pub(super) zstd_push_us: u64,
    pub(super) zstd_pull_us: u64,
}

/// One of its times.
type Field = fn(&Round) -> u64;

/// What the lab found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ShipResults {
    pub(super) machine: Machine,
    pub(super) rounds: Vec<Round>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct ShipReport {
    fs: FileSystem,
    commit: String,
    workload: Workload,
    verdicts: Vec<Verdict>,
    #[serde(flatten)]
    results: ShipResults,
}

impl Report for ShipReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl ShipReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: ShipResults) -> Self {
        let verdicts = results.verdicts();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl ShipResults {
    /// Of the rounds, of which there is at least one.
    fn spread(&self, field: impl Fn(&Round) -> u64) -> Spread {
        Spread::of(self.rounds.iter().map(field)).expect("at least one round")
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let ratio = |one: Field, other: Field| self.spread(one).ratio(&self.spread(other));
        let layout = ratio(|round| round.layout_us, |round| round.digest_us);
        let push = ratio(|round| round.skopeo_push_us, |round| round.push_us);
        let pull = ratio(|round| round.skopeo_pull_us, |round| round.pull_us);
        vec![
            Verdict::new("to a folder, against its digest", "×", Bound::AtMost(1.2), layout),
            Verdict::new("push", "× the rate of skopeo", Bound::AtLeast(0.8), push),
            Verdict::new("pull", "× the rate of skopeo", Bound::AtLeast(0.8), pull),
        ]
    }
}

pub(super) fn render(report: &ShipReport) -> String {
    let ShipReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["seconds", "median (range)"]);
    let rows: [(&str, Field); 8] = [
        ("sha256sum of the archive", |round| round.digest_us),
        ("ckpt push to a folder", |round| round.layout_us),
        ("ckpt push to a registry, as it is", |round| round.push_us),
        ("skopeo copy of that layer", |round| round.skopeo_push_us),
        ("ckpt pull of it", |round| round.pull_us),
        ("skopeo copy to a folder", |round| round.skopeo_pull_us),
        ("ckpt push, zstd", |round| round.zstd_push_us),
        ("ckpt pull, zstd", |round| round.zstd_pull_us),
    ];
    for (what, field) in rows {
        table.add_row([what.to_owned(), seconds(&results.spread(field))]);
    }
    format!(
        "\nAn archive with {} MiB of random data as an image, on {fs}: {}, commit {commit}\n{table}\n\
         The registry is on the same machine, without TLS; {} rounds.\n{}",
        workload.mebibytes,
        results.machine.line(),
        workload.rounds,
        targets(verdicts)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_compared() {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let round = Round {
            archive_bytes: 1 << 30,
            digest_us: 1_000_000,
            layout_us: 1_100_000,
            push_us: 2_000_000,
            skopeo_push_us: 1_800_000,
            pull_us: 3_000_000,
            skopeo_pull_us: 1_500_000,
            zstd_push_us: 1,
            zstd_pull_us: 1,
        };
        let results = ShipResults { machine, rounds: vec![round] };
        let found: Vec<_> = results.verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.1, true), (0.9, true), (0.5, false)]);
    }
}
