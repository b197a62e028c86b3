//! `ckpt diff --memory`: which mappings differ, and by how much.

use std::path::Path;

use anyhow::Result;
use ckpt_core::memory::{Comparison, MappingDifference, Memory};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde_json::{Value, json};

use crate::archive::saved::Archive;
use crate::arguments::{StoreArgument, TableFormat};
use crate::messages::print_line;
use crate::names::{json_bytes, printable};
use crate::spool;

/// Columns of numbers.
const NUMBERS: std::ops::Range<usize> = 5..9;

pub(super) fn run(words: [&String; 2], store: &StoreArgument, format: TableFormat) -> Result<()> {
    // As long as these are there, saves are.
    let [older, newer] = words.map(|word| Archive::find(Path::new(word), store));
    let [older, newer] = [older?, newer?].map(|archive| Memory::open(&archive.path().into(), &spool::folder()));
    let comparison = older?.compare(&newer?)?;
    match format {
        TableFormat::Json => {
            let list: Vec<Value> = comparison.mappings.iter().map(json_of).collect();
            print_line(serde_json::to_string_pretty(&list)?)
        }
        TableFormat::Table => print_line(table(&comparison)),
    }
}

fn letter(difference: &MappingDifference) -> &'static str {
    match difference.is_in {
        [true, true] => "C",
        [false, _] => "A",
        [true, false] => "D",
    }
}

fn json_of(difference: &MappingDifference) -> Value {
    let mapping = &difference.mapping;
    json!({
        "change": letter(difference),
        "pid": difference.pid,
        "start": format!("{:#x}", mapping.addresses.start),
        "end": format!("{:#x}", mapping.addresses.end),
        "permissions": mapping.permissions,
        "name": json_bytes(mapping.kind.name()),
        "changed_pages": difference.changed_pages,
        "added_pages": difference.added_pages,
        "removed_pages": difference.removed_pages,
        "unknown_pages": difference.unknown_pages,
    })
}

fn table(comparison: &Comparison) -> String {
    let compared = format!("{} pages of {} processes compared", comparison.compared_pages, comparison.processes);
    if comparison.mappings.is_empty() {
        return format!("No page differs ({compared})");
    }
    let mut table = Table::new();
    let titles = ["", "pid", "address", "", "what", "changed", "added", "removed", "unknown"];
    table.load_style(UTF8_FULL_CONDENSED).set_header(titles);
    for difference in &comparison.mappings {
        let mapping = &difference.mapping;
        let counts =
            [difference.changed_pages, difference.added_pages, difference.removed_pages, difference.unknown_pages];
        let facts = [
            letter(difference).to_owned(),
            difference.pid.to_string(),
            format!("{:012x}-{:012x}", mapping.addresses.start, mapping.addresses.end),
            mapping.permissions.clone(),
            printable(mapping.kind.name()),
        ];
        table.add_row(facts.into_iter().chain(counts.map(|pages| pages.to_string())));
    }
    for column in NUMBERS {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\nNumbers are pages; {compared}")
}
