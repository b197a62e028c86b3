//! The mappings of processes.

use anyhow::Result;
use ckpt_core::BytePath;
use ckpt_core::memory::{Kind, Mapping, Memory};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanBytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::TableFormat;
use crate::json::print_json;
use crate::messages::print_line;
use crate::names::{json_bytes, printable};
use crate::table;

/// Columns of numbers.
const NUMBERS: [usize; 2] = [1, 3];

pub(super) fn print(memory: &Memory, pid: Option<u32>, format: TableFormat) -> Result<()> {
    let pids = match pid {
        Some(pid) => vec![memory.process(Some(pid))?],
        None => memory.processes(),
    };
    match format {
        TableFormat::Json => {
            print_json(&pids.into_iter().map(|pid| ProcessJson::of(memory, pid)).collect::<Result<Vec<_>>>()?)
        }
        TableFormat::Table => pids.into_iter().try_for_each(|pid| print_table(memory, pid)),
    }
}

/// What `--format json` prints of each process.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProcessMemory")]
pub(crate) struct ProcessJson {
    /// Its ID in the container.
    pid: u32,
    /// Its short name.
    command: BytePath,
    /// In the order of their addresses.
    mappings: Vec<MappingJson>,
}

/// A mapping.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Mapping")]
struct MappingJson {
    /// Its first address, in hexadecimal.
    start: String,
    /// The address behind it, in hexadecimal.
    end: String,
    /// Its length.
    bytes: u64,
    /// As in /proc/PID/maps.
    permissions: String,
    /// Where in its file or shared memory it begins, in bytes.
    offset: u64,
    /// file, heap, stack, anonymous, shared or kernel.
    kind: &'static str,
    /// Its file, or what /proc/PID/maps calls it.
    name: BytePath,
    /// Bytes of it that are in the archive.
    present_bytes: u64,
    /// Bytes of it that are in the archive of an earlier checkpoint.
    earlier_bytes: u64,
}

impl ProcessJson {
    fn of(memory: &Memory, pid: u32) -> Result<Self> {
        let mapping = |mapping: &Mapping| MappingJson {
            start: format!("{:#x}", mapping.addresses.start),
            end: format!("{:#x}", mapping.addresses.end),
            bytes: mapping.addresses.end - mapping.addresses.start,
            permissions: mapping.permissions.clone(),
            offset: mapping.file_offset,
            kind: kind(&mapping.kind),
            name: json_bytes(mapping.kind.name()),
            present_bytes: mapping.present_bytes,
            earlier_bytes: mapping.earlier_bytes,
        };
        let mappings = memory.mappings(pid)?.iter().map(mapping).collect();
        Ok(ProcessJson { pid, command: json_bytes(&memory.command(pid)?), mappings })
    }
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::File(_) => "file",
        Kind::Heap => "heap",
        Kind::Stack => "stack",
        Kind::Anonymous => "anonymous",
        Kind::Shared(_) => "shared",
        Kind::Kernel(_) => "kernel",
    }
}

fn print_table(memory: &Memory, pid: u32) -> Result<()> {
    let mappings = memory.mappings(pid)?;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["address", "size", "", "in the archive", "what"]);
    for mapping in &mappings {
        let name = printable(mapping.kind.name());
        let size = mapping.addresses.end - mapping.addresses.start;
        let earlier = match mapping.earlier_bytes {
            0 => String::new(),
            bytes => format!(" ({} in an earlier one)", HumanBytes(bytes)),
        };
        table.add_row([
            format!("{:012x}-{:012x}", mapping.addresses.start, mapping.addresses.end),
            HumanBytes(size).to_string(),
            mapping.permissions.clone(),
            format!("{}{earlier}", HumanBytes(mapping.present_bytes)),
            name,
        ]);
    }
    for column in NUMBERS {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let present = mappings.iter().map(|mapping| mapping.present_bytes).sum();
    let command = printable(&memory.command(pid)?);
    print_line(format_args!("process {pid} ({command}): {} in the archive", HumanBytes(present)))?;
    table::print_table(table)
}
