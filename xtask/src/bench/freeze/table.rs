//! The report as people read it.

use super::results::{Destination, FreezeReport, FreezeResults, Sample};
use crate::bench::cells::{mebibytes, milliseconds, new_table, seconds, targets};

pub(super) fn render(report: &FreezeReport) -> String {
    let FreezeReport { fs, commit, workload, verdicts, results } = report;
    let header = [
        "files of 100 MB, archive on",
        "whole, s",
        "frozen (CRIU)",
        "frozen (seen)",
        "of it: files",
        "expected",
        "×",
        "copied in it",
    ];
    let mut table = new_table(&header);
    for files in [0, workload.files / 10, workload.files] {
        for destination in Destination::ALL {
            table.add_row_if(|_, row: &Vec<String>| row.len() > 1, row(results, files, destination));
        }
    }
    format!(
        "\nUp to {} changed files of 100 MB on {fs}, left running: {}, commit {commit}\n{table}\n\
         Median (range) of {} rounds. CRIU counts from all tasks stopped; seen is from outside, with CRIU's wait for that,\n\
         0 or 100 ms by chance. Expected is what the checkpoint said beforehand of the files, × how often that is what it took.\n{}",
        workload.files,
        results.machine.line(),
        workload.rounds,
        targets(verdicts)
    )
}

/// Only the title if nothing was measured there.
fn row(results: &FreezeResults, files: u32, destination: Destination) -> Vec<String> {
    let spread = |field: fn(&Sample) -> u64| results.spread(files, destination, field);
    let cells = || {
        Some([
            seconds(&spread(|sample| sample.elapsed_us)?),
            milliseconds(&spread(|sample| sample.frozen_us)?),
            milliseconds(&spread(|sample| sample.observed_frozen_us)?),
            milliseconds(&spread(|sample| sample.capture_us)?),
            milliseconds(&spread(|sample| sample.expected_capture_us)?),
            format!("{:.1}", spread(|sample| sample.expected_capture_us)?.ratio(&spread(|sample| sample.capture_us)?)),
            mebibytes(spread(|sample| sample.capture_copied_bytes)?.max),
        ])
    };
    [format!("{files}, {}", destination.title())].into_iter().chain(cells().into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_times_and_bytes() {
        let expected = ["20, another one (ext4)", "0.300", "66.0 ms", "166.0 ms", "4.0 ms", "6.0 ms", "1.5", "0.0 MiB"];
        assert_eq!(row(&results(), 20, Destination::Elsewhere), expected);
        assert_eq!(row(&results(), 20, Destination::SameFileSystem).len(), 1);
    }
}
