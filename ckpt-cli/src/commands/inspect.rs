//! `ckpt inspect`.

use std::path::PathBuf;

use ckpt_core::inspect::{Inspection, inspect};
use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanBytes;

use super::{Format, spool_folder};
use crate::display::say;

/// Show what is in an archive, and how much of its data is shared with other files.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive, ours or podman's own
    archive: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let inspection = inspect(&arguments.archive, &spool_folder())?;
    match arguments.format {
        Format::Json => say(serde_json::to_string_pretty(&inspection)?),
        Format::Table => print_tables(&inspection),
    }
    Ok(())
}

fn print_tables(inspection: &Inspection) {
    let mut facts = Table::new();
    facts.load_style(UTF8_FULL_CONDENSED);
    facts.add_row(["container", &format!("{} ({})", inspection.name, short(&inspection.id))]);
    facts.add_row(["image", &format!("{} ({})", inspection.image, short(&inspection.image_id))]);
    facts.add_row(["runtime", &inspection.runtime]);
    if let Some(manifest) = &inspection.manifest {
        let versions = &manifest.versions;
        facts.add_row(["made", &format!("{} by {}", manifest.created, manifest.tool)]);
        facts.add_row(["with", &format!("podman {}, {}, criu {}", versions.podman, versions.runtime, versions.criu)]);
        facts.add_row(["kernel", &versions.kernel]);
        facts.add_row(["flags", &manifest.flags.join(" ")]);
        for socket in &manifest.sockets {
            facts.add_row(["left out", &format!("{socket} (socket)")]);
        }
    }
    facts.add_row(["deleted", &format!("{} paths of the image", inspection.deleted)]);
    facts.add_row(["length", &length(inspection)]);
    facts.add_row(["on disk", &on_disk(inspection)]);
    say(format_args!("{facts}\n{}", parts(inspection)));
}

fn parts(inspection: &Inspection) -> Table {
    let mut parts = Table::new();
    parts.load_style(UTF8_FULL_CONDENSED).set_header(["part", "members", "data", "on blocks"]);
    for part in &inspection.parts {
        parts.add_row([
            part.name.clone(),
            part.members.to_string(),
            HumanBytes(part.bytes).to_string(),
            HumanBytes(part.aligned_bytes).to_string(),
        ]);
    }
    for column in parts.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    parts
}

fn length(inspection: &Inspection) -> String {
    let compressed = if inspection.compressed { " (decompressed)" } else { "" };
    format!("{}{compressed}", HumanBytes(inspection.archive_bytes))
}

fn on_disk(inspection: &Inspection) -> String {
    match inspection.blocks {
        Some(blocks) => {
            let (mapped, shared) = (HumanBytes(blocks.mapped_bytes), HumanBytes(blocks.shared_bytes));
            format!("{mapped}, of which {shared} shared with other files")
        }
        None => "the file system does not say".to_owned(),
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
