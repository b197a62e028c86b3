//! The report as people read it.

use super::results::{DiffReport, DiffResults, Image};
use super::workload::Workload;
use crate::bench::cells::{mebibytes, new_table, seconds, targets};

pub(super) fn render(report: &DiffReport) -> String {
    let DiffReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["", "time, s", "CPU, s", "memory", "lines"]);
    for image in [Image::Tenth, Image::Whole] {
        for is_podman in [false, true] {
            table.add_row_if(|_, row: &Vec<String>| row.len() > 1, row(results, workload, image, is_podman));
        }
    }
    format!(
        "\n{} changes on {fs}: {}, commit {commit}\n{table}\n\
         Whole process, wall clock: median (range) of all rounds, warm caches. Memory: highest of all rounds.\n{}",
        workload.changes,
        results.machine.line(),
        targets(verdicts)
    )
}

/// Only the title if there was no such round.
fn row(results: &DiffResults, workload: &Workload, image: Image, is_podman: bool) -> Vec<String> {
    let program = if is_podman { "podman diff" } else { "ckpt diff" };
    let title = format!("{program}, image of {} files", image.files(workload));
    let cells = || {
        Some([
            seconds(&results.elapsed(image, is_podman)?),
            seconds(&results.cpu(image, is_podman)?),
            mebibytes(results.peak_memory_bytes(image, is_podman)?),
            results.lines(image, is_podman)?.to_string(),
        ])
    };
    [title].into_iter().chain(cells().into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_time_memory_and_lines() {
        let workload = Workload { changes: 1000, image_files: 3000, rounds: 1, podman_rounds: 1 };
        let found = row(&results(), &workload, Image::Whole, true);
        assert_eq!(found, ["podman diff, image of 3000 files", "4.000", "4.000", "8.0 MiB", "100000"]);
        assert_eq!(row(&results(), &workload, Image::Tenth, true), ["podman diff, image of 300 files"]);
    }
}
