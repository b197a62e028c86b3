//! The numbers of a run, as they are in the JSON file, and as people read them.

use serde::{Deserialize, Serialize};

use super::many::History;
use super::sharing::Sharing;
use super::workload::Workload;
use crate::bench::cells::{mebibytes, milliseconds, new_table, seconds, targets};
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// A checkpoint, and a save.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    /// The whole process, wall clock.
    pub(super) checkpoint_us: u64,
    /// As seen from outside.
    pub(super) checkpoint_frozen_us: u64,
    /// The whole process, wall clock: the sharing is in it.
    pub(super) save_us: u64,
    /// As seen from outside.
    pub(super) save_frozen_us: u64,
    /// Highest resident memory of the save.
    pub(super) memory_bytes: u64,
    /// That the removal of the save would give back.
    pub(super) alone_bytes: u64,
    #[serde(flatten)]
    pub(super) sharing: Sharing,
}

/// What the lab found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SaveResults {
    pub(super) machine: Machine,
    pub(super) rounds: Vec<Round>,
    pub(super) history: History,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct SaveReport {
    fs: FileSystem,
    commit: String,
    workload: Workload,
    verdicts: Vec<Verdict>,
    #[serde(flatten)]
    results: SaveResults,
}

impl Report for SaveReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl SaveReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: SaveResults) -> Self {
        let verdicts = results.verdicts();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl SaveResults {
    /// Of the rounds, of which there is at least one.
    fn spread(&self, field: impl Fn(&Round) -> u64) -> Spread {
        Spread::of(self.rounds.iter().map(field)).expect("at least one round")
    }

    fn history(&self) -> Spread {
        Spread::of(self.history.warm_us.iter().copied()).expect("at least one run")
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let frozen = self.spread(|round| round.save_frozen_us).ratio(&self.spread(|round| round.checkpoint_frozen_us));
        // Bytes a microsecond, in thousandths.
        let rate = |bytes: u64, us: u64| 1000 * bytes / us.max(1);
        let dedup = self.spread(|Round { sharing, .. }| rate(sharing.matched_bytes, sharing.dedup_us));
        let kernel = self.spread(|Round { sharing, .. }| rate(sharing.kernel_bytes, sharing.kernel_us));
        vec![
            Verdict::new("frozen", "× a checkpoint's", Bound::AtMost(1.1), frozen),
            Verdict::new("dedup", "GB/s", Bound::AtLeast(1.0), dedup.median as f64 / 1e6),
            Verdict::new("dedup", "of the kernel's rate", Bound::AtLeast(0.5), dedup.ratio(&kernel)),
            Verdict::new("history", "ms", Bound::AtMost(100.0), self.history().median as f64 / 1e3),
        ]
    }
}

pub(super) fn render(report: &SaveReport) -> String {
    let SaveReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["", "median (range)"]);
    let spread = |field: fn(&Round) -> u64| results.spread(field);
    for (title, field) in [
        ("ckpt checkpoint -R, s", (|round| round.checkpoint_us) as fn(&Round) -> u64),
        ("it is frozen, s", |round| round.checkpoint_frozen_us),
        ("ckpt save, s", |round| round.save_us),
        ("it is frozen, s", |round| round.save_frozen_us),
        ("reading two archives, s", |round| round.sharing.read_us),
        ("ckpt dedup of them, s", |round| round.sharing.dedup_us),
        ("FIDEDUPERANGE alone, s", |round| round.sharing.kernel_us),
    ] {
        table.add_row([title.to_owned(), seconds(&spread(field))]);
    }
    for (title, field) in [
        ("FIDEDUPERANGE shared", (|round| round.sharing.kernel_bytes) as fn(&Round) -> u64),
        ("dedup matched", |round| round.sharing.matched_bytes),
        ("dedup shared", |round| round.sharing.shared_bytes),
        ("a save alone", |round| round.alone_bytes),
    ] {
        table.add_row([title.to_owned(), mebibytes(spread(field).median)]);
    }
    table.add_row(["memory of a save".to_owned(), mebibytes(spread(|round| round.memory_bytes).max)]);
    table.add_row([format!("history of {}", workload.archives), milliseconds(&results.history())]);
    let first_us = results.history.first_us;
    table.add_row(["without its index".to_owned(), format!("{:.1} ms", first_us as f64 / 1e3)]);
    format!(
        "\nSaves of {} MiB of memory on {fs}, {} pages of 1000 changed: {}, commit {commit}\n{table}\n\
         Archives were in the page cache; {} rounds.\n{}",
        workload.mebibytes,
        workload.changed,
        results.machine.line(),
        workload.rounds,
        targets(verdicts)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_ratios_are_judged() {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let sharing = Sharing {
            read_us: 250_000,
            dedup_us: 500_000,
            matched_bytes: 1_000_000_000,
            shared_bytes: 990_000_000,
            kernel_us: 200_000,
            kernel_bytes: 1_000_000_000,
        };
        let round = Round {
            checkpoint_us: 900_000,
            checkpoint_frozen_us: 400_000,
            save_us: 1_500_000,
            save_frozen_us: 420_000,
            memory_bytes: 8 << 20,
            alone_bytes: 1 << 20,
            sharing,
        };
        let history = History { first_us: 900_000, warm_us: vec![90_000, 120_000, 110_000] };
        let results = SaveResults { machine, rounds: vec![round], history };
        let found: Vec<_> = results.verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.05, true), (2.0, true), (0.4, false), (110.0, false)]);
    }
}
