//! The numbers of a run, as they are in the JSON file, and as people read them.

use serde::{Deserialize, Serialize};

use super::workload::Workload;
use crate::bench::cells::{mebibytes, new_table, seconds, targets};
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// One pair of archives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    /// Both were only read.
    pub(super) read_us: u64,
    /// The whole process, wall clock.
    pub(super) dedup_us: u64,
    /// On all processors together.
    pub(super) cpu_us: u64,
    /// The same once more, when nothing is left to be done.
    pub(super) again_us: u64,
    /// Highest resident memory.
    pub(super) memory_bytes: u64,
    pub(super) matched_bytes: u64,
    pub(super) shared_bytes: u64,
    pub(super) rewritten_bytes: u64,
    pub(super) calls: u64,
    /// That the file system got back.
    pub(super) freed_bytes: u64,
}

/// What the lab found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct DedupResults {
    pub(super) machine: Machine,
    pub(super) rounds: Vec<Round>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct DedupReport {
    fs: FileSystem,
    commit: String,
    workload: Workload,
    verdicts: Vec<Verdict>,
    #[serde(flatten)]
    results: DedupResults,
}

impl Report for DedupReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl DedupReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: DedupResults) -> Self {
        let verdicts = results.verdicts();
        Self { fs, commit, workload, verdicts, results }
    }
}

impl DedupResults {
    /// Of the rounds, of which there is at least one.
    fn spread(&self, field: impl Fn(&Round) -> u64) -> Spread {
        Spread::of(self.rounds.iter().map(field)).expect("at least one round")
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let rate = self.spread(|round| round.matched_bytes / round.dedup_us.max(1)).median as f64 / 1000.0;
        let of_read = self.spread(|round| round.dedup_us).ratio(&self.spread(|round| round.read_us));
        let again = self.spread(|round| round.again_us).ratio(&self.spread(|round| round.dedup_us));
        let freed = self.spread(|round| round.freed_bytes).ratio(&self.spread(|round| round.matched_bytes));
        vec![
            Verdict::new("compared memory", "GB/s", Bound::AtLeast(1.0), rate),
            Verdict::new("against reading both", "×", Bound::AtMost(4.0), of_read),
            Verdict::new("once more", "× the first", Bound::AtMost(0.1), again),
            Verdict::new("space that came back", "of the memory", Bound::AtLeast(0.95), freed),
        ]
    }
}

pub(super) fn render(report: &DedupReport) -> String {
    let DedupReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["", "median (range)"]);
    let spread = |field: fn(&Round) -> u64| results.spread(field);
    table.add_row(["reading both, s".to_owned(), seconds(&spread(|round| round.read_us))]);
    table.add_row(["ckpt dedup, s".to_owned(), seconds(&spread(|round| round.dedup_us))]);
    table.add_row(["its processors, s".to_owned(), seconds(&spread(|round| round.cpu_us))]);
    table.add_row(["once more, s".to_owned(), seconds(&spread(|round| round.again_us))]);
    table.add_row(["its memory".to_owned(), mebibytes(spread(|round| round.memory_bytes).max)]);
    table.add_row(["matched".to_owned(), mebibytes(spread(|round| round.matched_bytes).median)]);
    table.add_row(["shared".to_owned(), mebibytes(spread(|round| round.shared_bytes).median)]);
    table.add_row(["written again".to_owned(), mebibytes(spread(|round| round.rewritten_bytes).median)]);
    table.add_row(["calls".to_owned(), spread(|round| round.calls).median.to_string()]);
    table.add_row(["space that came back".to_owned(), mebibytes(spread(|round| round.freed_bytes).median)]);
    format!(
        "\nTwo checkpoints of {} MiB of memory on {fs}, {} pages of 1000 changed: {}, commit {commit}\n{table}\n\
         Both archives were in the page cache; {} rounds.\n{}",
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
        let round = Round {
            read_us: 250_000,
            dedup_us: 500_000,
            cpu_us: 400_000,
            again_us: 10_000,
            memory_bytes: 8 << 20,
            matched_bytes: 1_000_000_000,
            shared_bytes: 990_000_000,
            rewritten_bytes: 10_000_000,
            calls: 3000,
            freed_bytes: 900_000_000,
        };
        let results = DedupResults { machine, rounds: vec![round] };
        let found: Vec<_> = results.verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(2.0, true), (2.0, true), (0.02, true), (0.9, false)]);
    }
}
