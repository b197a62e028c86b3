//! The report as people read it.

use super::contender::Contender;
use super::results::{Job, MemoryReport, MemoryResults};
use crate::bench::cells::{mebibytes, new_table, seconds, targets};
use crate::bench::spread::Spread;

pub(super) fn render(report: &MemoryReport) -> String {
    let MemoryReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["seconds", "checkpoint", "×", "restore, warm", "×", "restore, cold", "×", "memory"]);
    for contender in Contender::ALL {
        table.add_row_if(|_, row: &Vec<String>| row.len() > 1, row(results, contender));
    }
    let lines = [
        format!("\nA process with {} MiB of random memory on {fs}, {}", workload.mebibytes, results.runtime),
        format!("{}, commit {commit}", results.machine.line()),
        table.to_string(),
        format!(
            "Whole process, wall clock: median (range) of {} rounds, of podman with an archive {}, alternating.\n\
             × is against podman without an archive. Everything was written back before each command; warm is the page\n\
             cache as the checkpoint left it, cold an empty one. Memory: highest of the process itself.",
            workload.rounds, workload.podman_rounds
        ),
        limits(results, workload.bytes()),
        targets(verdicts).to_string(),
    ];
    lines.join("\n")
}

/// Only the title if the contender was left out.
fn row(results: &MemoryResults, contender: Contender) -> Vec<String> {
    let mut row = vec![contender.title().to_owned()];
    for job in Job::ALL {
        let (Some(elapsed), Some(ratio)) = (results.elapsed(contender, job), results.ratio(contender, job)) else {
            return row;
        };
        row.extend([seconds(&elapsed), format!("{ratio:.2}")]);
    }
    row.extend(results.peak_memory_bytes(contender).map(mebibytes));
    row
}

/// What the parts cost that nobody can leave out.
fn limits(results: &MemoryResults, bytes: u64) -> String {
    let local = |job| results.criu(Contender::Local, job);
    let parts = [
        (Spread::of(results.write_us.iter().copied()), format!("{} written and synced by dd", mebibytes(bytes))),
        (results.read(), "the archive read from the disk by dd, into nothing".to_owned()),
        (local(Job::Checkpoint), "podman without an archive: CRIU's dump of the memory".to_owned()),
        (results.criu(Contender::Ckpt, Job::Checkpoint), "ckpt: CRIU's dump of the memory".to_owned()),
        (local(Job::Warm), "podman without an archive: CRIU's restore, warm".to_owned()),
        (results.criu(Contender::Ckpt, Job::Warm), "ckpt: CRIU's restore, warm".to_owned()),
    ];
    let parts = parts.into_iter().filter_map(|(spread, what)| Some(format!("{what}: {} s", seconds(&spread?))));
    parts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_times_and_ratios() {
        let expected = ["ckpt", "11.000", "1.10", "12.000", "1.20", "13.000", "1.30", "8.0 MiB"];
        assert_eq!(row(&results(), Contender::Ckpt), expected);
        assert_eq!(row(&results(), Contender::Podman).len(), 1);
    }

    #[test]
    fn limits_are_told() {
        let text = limits(&results(), 4 << 30);
        assert!(text.starts_with("4096.0 MiB written and synced by dd: 4.000 s\n"), "{text}");
        assert_eq!(text.lines().count(), 6, "{text}");
    }
}
