//! The report as people read it.

use comfy_table::Table;

use super::contender::Contender;
use super::results::{Sample, SeedResults, Verb};
use super::summary::SeedReport;
use crate::bench::cells::{mebibytes, milliseconds, new_table, seconds, targets};
use crate::bench::spread::Spread;

pub(super) fn render(report: &SeedReport) -> String {
    let SeedReport { fs, commit, workload, verdicts, results } = report;
    let lines = [
        format!("\n{} files of {} MB on {fs}, {}", workload.files, workload.megabytes, results.runtime),
        format!("{}, commit {commit}", results.machine.line()),
        times(results, workload.data_bytes()).to_string(),
        format!(
            "Whole process, wall clock: median (range) of {} rounds, of podman {}, alternating. Disk: growth of the used\n\
             space, in percent of the data. Memory: highest of the process itself, without its children.\n\
             Caches are warm: nothing was dropped; everything was written back before each command.\n{}",
            workload.rounds,
            workload.podman_rounds,
            speedups(results)
        ),
        standstill(results).to_string(),
        without_freezing(results),
        limits(results, workload.files),
        targets(verdicts).to_string(),
    ];
    lines.join("\n")
}

fn times(results: &SeedResults, data_bytes: u64) -> Table {
    let mut table = new_table(&["", "checkpoint, s", "÷ floor", "disk", "restore, s", "÷ floor", "disk", "memory"]);
    for contender in Contender::ALL {
        table.add_row_if(|_, row: &Vec<String>| row.len() > 1, contender_row(results, contender, data_bytes));
    }
    table
}

/// Only the title if the contender was left out.
fn contender_row(results: &SeedResults, contender: Contender, data_bytes: u64) -> Vec<String> {
    let mut row = vec![contender.title().to_owned()];
    for verb in [Verb::Checkpoint, Verb::Restore] {
        let (Some(elapsed), Some(grown)) =
            (results.elapsed(contender, verb), results.grown_percent(contender, verb, data_bytes))
        else {
            return row;
        };
        let ratio = results.elapsed(Contender::Floor, verb).map(|floor| format!("{:.2}", elapsed.ratio(&floor)));
        row.extend([seconds(&elapsed), ratio.unwrap_or_default(), format!("{grown:.2} %")]);
    }
    row.extend(results.peak_memory_bytes(contender).map(mebibytes));
    row
}

/// How long a container stands still for its checkpoint.
fn standstill(results: &SeedResults) -> Table {
    let mut table = new_table(&["", "CRIU's freezing_time", "CRIU's frozen_time", "seen from outside"]);
    for contender in Contender::ALL {
        table.add_row_if(|_, row: &Vec<String>| row.len() > 1, standstill_row(results, contender));
    }
    table
}

/// Only the title if the contender was left out.
fn standstill_row(results: &SeedResults, contender: Contender) -> Vec<String> {
    let fields: [fn(&Sample) -> Option<u64>; 3] =
        [|sample| sample.freezing_us, |sample| sample.frozen_us, |sample| sample.observed_frozen_us];
    let cells = fields.map(|field| results.dumped(contender, field).map(|spread| milliseconds(&spread)));
    let is_there = cells.iter().any(Option::is_some);
    let cells = cells.into_iter().filter(|_| is_there).map(Option::unwrap_or_default);
    [contender.title().to_owned()].into_iter().chain(cells).collect()
}

/// How many times longer podman takes; of each kind that took part.
fn speedups(results: &SeedResults) -> String {
    let ratio = |podman, verb| Some(results.elapsed(podman, verb)?.ratio(&results.elapsed(Contender::Ckpt, verb)?));
    let lines = Contender::ALL.into_iter().filter(|contender| contender.is_podman()).filter_map(|podman| {
        let (checkpoint, restore) = (ratio(podman, Verb::Checkpoint)?, ratio(podman, Verb::Restore)?);
        let title = podman.title();
        Some(format!("`{title}` takes {checkpoint:.0} × as long as ckpt to checkpoint, {restore:.0} × to restore.\n"))
    });
    lines.collect()
}

/// The checkpoint's ratio again, without what is chance in both times.
fn without_freezing(results: &SeedResults) -> String {
    let [ckpt, floor] = [Contender::Ckpt, Contender::Floor].map(|who| results.elapsed_without_freezing(who));
    let (Some(ckpt), Some(floor)) = (ckpt, floor) else {
        return String::new();
    };
    format!(
        "Checkpoints without CRIU's wait for the tasks to stop (0 or 0.1 s, by chance): ckpt {} s, floor {} s, ÷ floor {:.2}",
        seconds(&ckpt),
        seconds(&floor),
        ckpt.ratio(&floor)
    )
}

/// What the files alone cost, beside what they cost at least.
fn limits(results: &SeedResults, files: u32) -> String {
    let parts = [
        (
            Spread::of(results.clone_limit_us.iter().copied()),
            format!("limit: whole process `cp --reflink=always` of the {files} files"),
        ),
        (results.files(Verb::Checkpoint), "ckpt's capture of all files".to_owned()),
        (results.files(Verb::Restore), "ckpt's placing of all files".to_owned()),
    ];
    let parts = parts.into_iter().filter_map(|(spread, what)| Some(format!("{what}: {}", milliseconds(&spread?))));
    parts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_times_ratios_and_space() {
        let row = contender_row(&results(), Contender::Podman, 1_000_000);
        let expected = ["podman", "30.000", "150.00", "0.50 %", "30.000", "150.00", "0.50 %", "8.0 MiB"];
        assert_eq!(row, expected);
        assert_eq!(contender_row(&results(), Contender::PodmanUncompressed, 1).len(), 1);
    }

    #[test]
    fn the_standstill_is_told_by_criu_and_from_outside() {
        assert_eq!(standstill_row(&results(), Contender::Ckpt), ["ckpt", "100.0 ms", "60.0 ms", "65.0 ms"]);
        assert_eq!(standstill_row(&results(), Contender::PodmanUncompressed).len(), 1);
    }

    #[test]
    fn the_wait_for_tasks_can_be_left_out() {
        let line = without_freezing(&results());
        assert!(line.ends_with("ckpt 0.200 (0.190 – 0.210) s, floor 0.100 s, ÷ floor 2.00"), "{line}");
    }

    #[test]
    fn podman_is_compared_with_ckpt() {
        let lines = speedups(&results());
        assert_eq!(lines, "`podman` takes 100 × as long as ckpt to checkpoint, 100 × to restore.\n");
    }
}
