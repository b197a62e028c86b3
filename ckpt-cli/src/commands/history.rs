//! `ckpt history`.

mod age;
mod chart;

use std::borrow::Cow;

use anyhow::Result;
use ckpt_core::history::{Listed, ListedSave, history};
use ckpt_core::store::Memory;
use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanBytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::{StoreArgument, TableFormat};
use crate::json::print_json;
use crate::messages::{print_text, warn, with_reasons};
use crate::names::printable;
use crate::table::print_table;
use age::age;
use chart::Ink;

/// List the saves of a container, or of all
///
/// SAVE is how each is named on other command lines: web~1 is the newest save of web, web~2 the one before. web@ID and
/// web@TAG are the same whatever is saved later. ALONE is what its removal would give back: the rest is shared. A save
/// whose MEMORY is none is of a container that did not run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The container's name, also of one that was removed
    container: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
    /// Draw a bar for each save, the darker part of which is what its removal would give back. The longest has 60 columns
    #[arg(long, conflicts_with = "format")]
    chart: bool,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let listed = history(arguments.container.as_deref(), arguments.store.folder())?;
    for problem in listed.iter().flat_map(|listed| &listed.problems) {
        let path = printable(problem.path.as_os_str().as_encoded_bytes());
        warn(format_args!("{path} is not in the history: {}", with_reasons(&problem.source)));
    }
    match arguments.format {
        _ if arguments.chart => print_text(chart::chart(&listed, Timestamp::now(), &Ink::of_the_locale()).trim_end()),
        TableFormat::Json => print_json(&as_json(&listed)),
        TableFormat::Table => print_table(table(&listed, Timestamp::now())),
    }
}

/// A save, as `--format json` prints it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Save")]
pub(crate) struct SaveJson<'s> {
    /// What it is called on command lines.
    name: String,
    #[serde(flatten)]
    save: Cow<'s, ListedSave>,
}

fn as_json(listed: &[Listed]) -> Vec<SaveJson<'_>> {
    let saves = listed.iter().flat_map(|listed| &listed.saves);
    saves.map(|save| SaveJson { name: name_of(save), save: Cow::Borrowed(save) }).collect()
}

/// What it is called on command lines.
fn name_of(save: &ListedSave) -> String {
    let container = &save.saved.container;
    save.back.map_or_else(|| format!("{container}@{}", save.saved.id), |back| format!("{container}~{back}"))
}

/// The newest last, where people look.
fn table(listed: &[Listed], now: Timestamp) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["SAVE", "ID", "AGE", "FROZEN", "SIZE", "ALONE", "MEMORY", "TAGS", "NOTE"]);
    for save in listed.iter().flat_map(|listed| &listed.saves) {
        table.add_row(row(save, now));
    }
    for column in table.column_iter_mut().skip(2).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Words of the archive may be of any characters: they keep to their line.
fn row(save: &ListedSave, now: Timestamp) -> [String; 9] {
    let saved = &save.saved;
    let unknown = || "?".to_owned();
    let memory = match saved.memory {
        Memory::Whole => HumanBytes(saved.memory_bytes).to_string(),
        Memory::Changes => format!("{} (changes)", HumanBytes(saved.memory_bytes)),
        Memory::None => "none".to_owned(),
    };
    // What did not run was not frozen.
    let not_frozen = || if saved.has_no_memory() { "-".to_owned() } else { unknown() };
    [
        name_of(save),
        saved.short_id().to_owned(),
        age(saved.created, now),
        saved.frozen_us.map_or_else(not_frozen, |us| format!("{} ms", us / 1000)),
        HumanBytes(saved.bytes).to_string(),
        save.alone_bytes.map_or_else(unknown, |bytes| HumanBytes(bytes).to_string()),
        memory,
        printable(saved.tags.join(" ").as_bytes()),
        printable(saved.note.as_bytes()),
    ]
}
