//! `ckpt doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use ckpt_core::doctor::{Checkup, Verdict, examine};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::arguments::TableFormat;
use crate::json::print_json;
use crate::names::printable;
use crate::signals;
use crate::table::print_table;

/// Check what works on this host, and say what to do about the rest
///
/// Exits with 1 if something prevents checkpoints or restores.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder for archives
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    ensure!(folder.is_dir(), "{} is no folder: name the one that archives will go to", folder.display());
    let interrupt = signals::interrupt()?;
    let checkup = examine(folder, Some(&interrupt))?;
    match arguments.format {
        TableFormat::Json => print_json(&checkup)?,
        TableFormat::Table => print_table(table(&checkup))?,
    }
    Ok(if checkup.fit { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(checkup: &Checkup) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["check", "", "found", "what to do"]);
    for finding in &checkup.findings {
        let found = printable(finding.found.as_bytes());
        let advice = printable(finding.advice.as_deref().unwrap_or_default().as_bytes());
        table.add_row([finding.check, word(finding.verdict), &found, &advice]);
    }
    table
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Problem => "PROBLEM",
        Verdict::Unknown => "unknown",
    }
}
