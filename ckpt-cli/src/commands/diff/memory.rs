//! `ckpt diff --memory`: which mappings differ, and by how much.

use std::path::Path;

use anyhow::Result;
use ckpt_core::BytePath;
use ckpt_core::memory::{Comparison, MappingDifference, Memory};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::saved::Archive;
use crate::arguments::{StoreArgument, TableFormat};
use crate::json::print_json;
use crate::messages::print_line;
use crate::names::{json_bytes, printable};
use crate::spool;
use crate::table::fitted;

/// Columns of numbers.
const NUMBERS: std::ops::Range<usize> = 5..9;

pub(super) fn run(words: [&String; 2], store: &StoreArgument, format: TableFormat) -> Result<()> {
    // As long as these are there, saves are.
    let [older, newer] = words.map(|word| Archive::find(Path::new(word), store));
    let [older, newer] = [older?, newer?].map(|archive| Memory::open(&archive.path().into(), &spool::folder()));
    let comparison = older?.compare(&newer?)?;
    match format {
        TableFormat::Json => {
            print_json(&comparison.mappings.iter().map(MemoryDifferenceJson::from).collect::<Vec<_>>())
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

/// What `--format json` prints of each mapping that differs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MappingDifference")]
pub(crate) struct MemoryDifferenceJson {
    /// A: the newer one alone has it; D: the older one alone; C: both have it.
    change: &'static str,
    /// The process.
    pid: u32,
    /// The mapping's first address, in hexadecimal.
    start: String,
    /// The address behind it, in hexadecimal.
    end: String,
    /// As in /proc/PID/maps.
    permissions: String,
    /// Its file, or what /proc/PID/maps calls it.
    name: BytePath,
    /// Pages that both have, with other bytes.
    changed_pages: u64,
    /// Pages that only the newer one has.
    added_pages: u64,
    /// Pages that only the older one has.
    removed_pages: u64,
    /// Pages that are in an earlier checkpoint, so that nobody knows.
    unknown_pages: u64,
}

impl From<&MappingDifference> for MemoryDifferenceJson {
    fn from(difference: &MappingDifference) -> Self {
        let mapping = &difference.mapping;
        MemoryDifferenceJson {
            change: letter(difference),
            pid: difference.pid,
            start: format!("{:#x}", mapping.addresses.start),
            end: format!("{:#x}", mapping.addresses.end),
            permissions: mapping.permissions.clone(),
            name: json_bytes(mapping.kind.name()),
            changed_pages: difference.changed_pages,
            added_pages: difference.added_pages,
            removed_pages: difference.removed_pages,
            unknown_pages: difference.unknown_pages,
        }
    }
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
    let table = fitted(table);
    format!("{table}\nNumbers are pages; {compared}")
}
