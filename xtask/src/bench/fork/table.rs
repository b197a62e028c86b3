//! The report as people read it.

use super::contender::Contender;
use super::results::{ForkReport, ForkResults};
use crate::bench::cells::{mebibytes, new_table, seconds, targets};

pub(super) fn render(report: &ForkReport) -> String {
    let ForkReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["copies, made by", "all run, s", "the first runs, s", "memory"]);
    for &copies in &workload.copies {
        for contender in Contender::ALL {
            table.add_row(row(results, contender, copies));
        }
    }
    format!(
        "\nA container with {} files of 100 MB on {fs}, {}, {} at a time: {}, commit {commit}\n{table}\n\
         Median (range) of {} rounds, each contender in turn. Memory is that of ckpt itself.\n{}",
        workload.files,
        workload.runtime,
        results.jobs,
        results.machine.line(),
        workload.rounds,
        targets(verdicts)
    )
}

fn row(results: &ForkResults, contender: Contender, copies: u32) -> Vec<String> {
    let of = (contender, copies);
    let elapsed = results.spread(of, |sample| Some(sample.elapsed_us));
    let first = results.spread(of, |sample| sample.first_us);
    let memory = results.highest_memory(of).filter(|_| first.is_some());
    let cells = [elapsed.as_ref().map(seconds), first.as_ref().map(seconds), memory.map(mebibytes)];
    let title = format!("{copies}, {}", contender.title());
    [title].into_iter().chain(cells.map(Option::unwrap_or_default)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_what_was_measured() {
        assert_eq!(row(&results(), Contender::Copies, 4), ["4, ckpt restore --count", "1.000", "0.500", "8.0 MiB"]);
        assert_eq!(row(&results(), Contender::Podman, 4), ["4, podman, no files", "1.000", "", ""]);
    }
}
