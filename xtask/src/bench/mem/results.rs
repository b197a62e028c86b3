//! The numbers of a run, as they are in the JSON file, and as people read them.

use serde::{Deserialize, Serialize};

use super::workload::Workload;
use crate::bench::cells::{mebibytes, new_table, seconds, targets};
use crate::bench::machine::Machine;
use crate::bench::report::Report;
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// The rate of `ckpt mem --search`, of that of `grep -c` over the same file.
const RATE: f64 = 0.8;

/// One round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Whether the page cache was empty.
    pub(super) cold: bool,
    /// The whole process, wall clock.
    pub(super) grep_us: u64,
    pub(super) ckpt_us: u64,
    /// On all processors together.
    pub(super) ckpt_cpu_us: u64,
    /// Highest resident memory.
    pub(super) memory_bytes: u64,
}

impl Sample {
    pub(super) fn cache(&self) -> &'static str {
        if self.cold { "cold" } else { "warm" }
    }
}

/// What the lab found out; in the order in which it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MemResults {
    pub(super) machine: Machine,
    pub(super) samples: Vec<Sample>,
}

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct MemReport {
    fs: FileSystem,
    commit: String,
    workload: Workload,
    verdicts: Vec<Verdict>,
    #[serde(flatten)]
    results: MemResults,
}

impl Report for MemReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl MemReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: MemResults) -> Self {
        Self { fs, commit, workload, verdicts: results.verdicts(), results }
    }
}

impl MemResults {
    /// Of the rounds, of which there is at least one.
    fn spread(&self, cold: bool, field: fn(&Sample) -> u64) -> Spread {
        let chosen = self.samples.iter().filter(|sample| sample.cold == cold);
        Spread::of(chosen.map(field)).expect("at least one round")
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |(cold, cache)| {
            let grep = self.spread(cold, |sample| sample.grep_us);
            let rate = grep.ratio(&self.spread(cold, |sample| sample.ckpt_us));
            Verdict::new(format!("rate, {cache}"), "× grep -c", Bound::AtLeast(RATE), rate)
        };
        [(true, "cold"), (false, "warm")].map(verdict).into()
    }
}

pub(super) fn render(report: &MemReport) -> String {
    let MemReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["page cache", "grep -c, s", "ckpt mem --search, s", "its processors, s", "its memory"]);
    for (cold, cache) in [(true, "cold"), (false, "warm")] {
        let spread = |field| results.spread(cold, field);
        table.add_row([
            cache.to_owned(),
            seconds(&spread(|sample| sample.grep_us)),
            seconds(&spread(|sample| sample.ckpt_us)),
            seconds(&spread(|sample| sample.ckpt_cpu_us)),
            mebibytes(spread(|sample| sample.memory_bytes).max),
        ]);
    }
    format!(
        "\nA text behind {} MiB of memory on {fs}: {}, commit {commit}\n{table}\nMedians (ranges) of {} rounds.\n{}",
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
    fn rates_are_judged_for_each_state_of_the_cache() {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let sample = |cold, ckpt_us| Sample { cold, grep_us: 1000, ckpt_us, ckpt_cpu_us: 900, memory_bytes: 8 << 20 };
        let results = MemResults { machine, samples: vec![sample(true, 800), sample(false, 2000)] };
        let found: Vec<_> = results.verdicts().iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.25, true), (0.5, false)]);
    }
}
