//! What one way of doing the job led to, and two of them side by side.

use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};

use super::comparison::Comparison;

/// Time and space that one command took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) elapsed: Duration,
    pub(super) grown_bytes: i64,
}

#[derive(Debug)]
pub(super) struct Outcome {
    /// Making the archive.
    pub(super) save: Cost,
    /// Making what was saved again, beside the original.
    pub(super) copy: Cost,
    /// The container's counter at the checkpoint and after the restore.
    pub(super) counter: Option<(u64, u64)>,
    pub(super) tree: Comparison,
}

/// What the rows and columns of the table are called.
pub(super) struct Names {
    pub(super) save: &'static str,
    pub(super) copy: &'static str,
    pub(super) other: &'static str,
}

impl Outcome {
    /// Whether the counter went on where it stood.
    pub(super) fn goes_on(&self) -> bool {
        self.counter.is_none_or(|(before, after)| after >= before)
    }
}

pub(super) fn table(names: &Names, ours: &Outcome, other: &Outcome) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["", "ckpt", names.other]);
    let mut row = |name: &str, cell: &dyn Fn(&Outcome) -> String| {
        table.add_row([name.to_owned(), cell(ours), cell(other)]);
    };
    row(names.save, &|outcome| seconds(outcome.save.elapsed));
    row("  disk it used", &|outcome| size(outcome.save.grown_bytes));
    row(names.copy, &|outcome| seconds(outcome.copy.elapsed));
    row("  disk it used", &|outcome| size(outcome.copy.grown_bytes));
    if ours.counter.is_some() {
        row("counter before and after", &counter);
    }
    row("tree, compared with the original", &|outcome| outcome.tree.to_string());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn counter(outcome: &Outcome) -> String {
    let words = if outcome.goes_on() { "goes on" } else { "LOST" };
    outcome.counter.map(|(before, after)| format!("{before} → {after}, {words}")).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// In decimal units; a file system that became smaller used nothing.
fn size(bytes: i64) -> String {
    let bytes = bytes.max(0) as f64;
    if bytes < 999.5e6 { format!("{:.1} MB", bytes / 1e6) } else { format!("{:.2} GB", bytes / 1e9) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_fitting_units() {
        let cases = [(-5, "0.0 MB"), (147_456, "0.1 MB"), (999_000_000, "999.0 MB"), (5_100_000_000, "5.10 GB")];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn a_counter_that_starts_anew_is_lost() {
        let cost = Cost { elapsed: Duration::ZERO, grown_bytes: 0 };
        let outcome = |counter| Outcome { save: cost, copy: cost, counter, tree: Comparison::default() };
        assert!(outcome(None).goes_on());
        assert_eq!(counter(&outcome(Some((90, 92)))), "90 → 92, goes on");
        assert_eq!(counter(&outcome(Some((90, 3)))), "90 → 3, LOST");
    }
}
