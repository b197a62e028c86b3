//! Tables and numbers as people read them.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};

use super::spread::Spread;
use super::verdict::{Bound, Verdict};

/// Words to the left, numbers to the right.
pub(crate) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

pub(crate) fn targets(verdicts: &[Verdict]) -> Table {
    let mut table = new_table(&["target", "", "measured", ""]);
    for Verdict { what, unit, bound, measured, met } in verdicts {
        let bound = match bound {
            Bound::AtMost(limit) => format!("≤ {limit} {unit}"),
            Bound::AtLeast(limit) => format!("≥ {limit} {unit}"),
        };
        let verdict = if *met { "met" } else { "MISSED" };
        table.add_row([what.clone(), bound, format!("{measured:.2}"), verdict.to_owned()]);
    }
    table
}

/// Of microseconds.
pub(crate) fn seconds(spread: &Spread) -> String {
    with_range(spread, |us| format!("{:.3}", us as f64 / 1e6))
}

/// Of microseconds.
pub(crate) fn milliseconds(spread: &Spread) -> String {
    with_range(spread, |us| format!("{:.1}", us as f64 / 1e3)) + " ms"
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn with_range(spread: &Spread, show: impl Fn(u64) -> String) -> String {
    let Spread { min, median, max } = *spread;
    if min == max {
        return show(median);
    }
    format!("{} ({} – {})", show(median), show(min), show(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_rounds_show_their_range() {
        assert_eq!(milliseconds(&Spread { min: 1000, median: 2500, max: 9990 }), "2.5 (1.0 – 10.0) ms");
        assert_eq!(milliseconds(&Spread { min: 1000, median: 1000, max: 1000 }), "1.0 ms");
    }

    #[test]
    fn a_missed_target_shouts() {
        let verdicts = [
            Verdict::new("pack", "× limit", Bound::AtMost(3.0), 2.5),
            Verdict::new("unpack", "× limit", Bound::AtMost(3.0), 3.5),
        ];
        let text = targets(&verdicts).to_string();
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("pack")).collect();
        assert!(rows[0].contains("≤ 3 × limit") && rows[0].contains("met"), "{text}");
        assert!(rows[1].contains("3.50") && rows[1].contains("MISSED"), "{text}");
    }
}
