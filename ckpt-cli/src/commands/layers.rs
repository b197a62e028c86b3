//! `ckpt layers`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use ckpt_core::BytePath;
use ckpt_core::operand::{Layers, Operand, PartPaths, Store, XattrNamespace, part_paths};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::TableFormat;
use crate::json::print_json;
use crate::table::print_table;

/// Show the directories that a container or an overlay mount is made of, the top layer first
#[derive(Args)]
pub(crate) struct Arguments {
    /// A container of podman, Docker or containerd, a process, or a merged directory
    #[arg(value_name = "NAME|PATH")]
    name_or_path: String,
    /// Take PATH for a mount point as the process PID sees it
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let operand = match arguments.pid {
        Some(pid) => Operand::of_process(pid, Path::new(&arguments.name_or_path))?,
        None => Operand::find(&arguments.name_or_path)?,
    };
    let Operand::Layers { store, layers } = operand else {
        bail!("{} is an archive, which has no layers: `ckpt inspect` says what is in it", arguments.name_or_path);
    };
    match arguments.format {
        TableFormat::Json => print_json(&LayersJson::of(store, &layers, paths(&layers)?)),
        TableFormat::Table => print_table(table(store, &layers, &paths(&layers)?)),
    }
}

/// The directories themselves, or in each of them what is mounted there.
fn paths(layers: &Layers) -> anyhow::Result<PartPaths> {
    if layers.part.as_os_str().is_empty() {
        return Ok(PartPaths { upper: Some(layers.upperdir.clone()), lowers: layers.lowerdirs.clone() });
    }
    Ok(part_paths(layers)?)
}

/// What `--format json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Layers")]
pub(crate) struct LayersJson {
    /// Whose the container is: of podman, Docker or containerd, or a mount.
    store: String,
    /// Where the overlay is mounted.
    merged: Option<BytePath>,
    /// The directory below the overlay's root that was asked about; empty for all.
    part: BytePath,
    /// The directory that takes the changes.
    upperdir: Option<BytePath>,
    /// The directories below it, the top one first.
    lowerdirs: Vec<BytePath>,
    /// Those that only hold the data of files in others.
    data_only_lowerdirs: Vec<BytePath>,
    /// The directory that overlayfs works in.
    workdir: Option<BytePath>,
    /// Whether overlayfs uses attributes of the kind `user.*`.
    userxattr: bool,
}

impl LayersJson {
    fn of(store: Store, layers: &Layers, part: PartPaths) -> Self {
        let all = |paths: &[PathBuf]| paths.iter().cloned().map(BytePath).collect();
        LayersJson {
            store: store.to_string(),
            merged: layers.merged.clone().map(BytePath),
            part: BytePath(layers.part.clone()),
            upperdir: part.upper.map(BytePath),
            lowerdirs: all(&part.lowers),
            data_only_lowerdirs: all(&layers.data_only_lowerdirs),
            workdir: layers.workdir.clone().map(BytePath),
            userxattr: layers.xattr_ns == XattrNamespace::User,
        }
    }
}

fn table(store: Store, layers: &Layers, part: &PartPaths) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["layer", &format!("directory ({store})")]);
    let mut add = |layer: String, path: &Path| {
        table.add_row([layer, path.display().to_string()]);
    };
    if let Some(merged) = &layers.merged {
        add("merged".into(), merged);
    }
    if !layers.part.as_os_str().is_empty() {
        add("part".into(), &Path::new("/").join(&layers.part));
    }
    match &part.upper {
        Some(upper) => add("upper".into(), upper),
        None => add("upper".into(), Path::new("has nothing of it")),
    }
    for (index, path) in part.lowers.iter().enumerate() {
        add(format!("lower {}", index + 1), path);
    }
    for (index, path) in layers.data_only_lowerdirs.iter().enumerate() {
        add(format!("data {}", index + 1), path);
    }
    if let Some(workdir) = &layers.workdir {
        add("work".into(), workdir);
    }
    table
}
