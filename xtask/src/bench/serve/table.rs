//! The report as people read it.

use super::results::ServeReport;
use super::way::Way;
use crate::bench::cells::{new_table, seconds, targets};

pub(super) fn render(report: &ServeReport) -> String {
    let ServeReport { fs, commit, workload, verdicts, results } = report;
    let mut table = new_table(&["", "s"]);
    for way in Way::ALL {
        if let Some(spread) = results.spread(way) {
            table.add_row([way.title().to_owned(), seconds(&spread)]);
        }
    }
    format!(
        "\n{} changed files of 100 MB on {fs}, left running: {}, commit {commit}\n{table}\n\
         Median (range) of {} rounds, the client's whole process. What was read was in no cache before.\n{}",
        workload.files,
        results.machine.line(),
        workload.rounds,
        targets(verdicts)
    )
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;
    use crate::lab::FileSystem;

    #[test]
    fn only_what_was_measured_has_a_row() {
        let workload = super::super::Workload { files: 51, rounds: 1 };
        let text = render(&ServeReport::new(FileSystem::Xfs, "abc".to_owned(), workload, results()));
        assert!(text.contains("restore, ckpt --url") && text.contains("0.440"), "{text}");
        assert!(!text.contains("through the socket"), "{text}");
    }
}
