//! The report as people read it.

use super::results::{PassesReport, PassesResults, Sample};
use crate::bench::cells::{mebibytes, milliseconds, new_table, seconds, targets};

const HEADER: [&str; 10] = [
    "files, page cache",
    "whole, s",
    "cp -a, synced, s",
    "frozen (CRIU)",
    "of it: files",
    "expected",
    "copied in it",
    "restore, s",
    "cp -a, s",
    "podman stops it for, s",
];

pub(super) fn render(report: &PassesReport) -> String {
    let PassesReport { fs, commit, verdicts, results } = report;
    let mut table = new_table(&HEADER);
    for megabytes in results.sizes() {
        for cold in [false, true] {
            table.add_row_if(|_, row: &Vec<String>| !row.is_empty(), row(results, megabytes, cold).unwrap_or_default());
        }
    }
    format!(
        "\nFiles on {fs}, one of a hundred written all the time, left running: {}, commit {commit}\n{table}\n\
         Medians (ranges).\n{}",
        results.machine.line(),
        targets(verdicts)
    )
}

/// `None` if nothing was measured there.
fn row(results: &PassesResults, megabytes: u64, cold: bool) -> Option<Vec<String>> {
    let spread = |field: fn(&Sample) -> u64| results.spread(megabytes, cold, field);
    let podman = results.podman.iter().find(|podman| podman.megabytes == megabytes && !cold);
    Some(vec![
        format!("{megabytes} MB, {}", if cold { "cold" } else { "warm" }),
        seconds(&spread(|sample| sample.elapsed_us)?),
        seconds(&spread(|sample| sample.copy_us)?),
        milliseconds(&spread(|sample| sample.frozen_us)?),
        milliseconds(&spread(|sample| sample.capture_us)?),
        milliseconds(&spread(|sample| sample.expected_capture_us)?),
        mebibytes(spread(|sample| sample.capture_copied_bytes)?.max),
        seconds(&spread(|sample| sample.restore_us)?),
        seconds(&spread(|sample| sample.plain_copy_us)?),
        podman.map_or_else(String::new, |podman| format!("{:.1}", podman.stopped_us as f64 / 1e6)),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_times_and_bytes() {
        let row = row(&results(), 1000, false).unwrap().join(" | ");
        let expected = "1000 MB, warm | 6.000 | 5.000 | 140.0 ms | 30.0 ms | 10.0 ms | 0.0 MiB | 4.000 | 4.000 | 9.0";
        assert_eq!(row, expected);
    }
}
