//! `ckpt layers`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use ckpt_core::operand::{Layers, Operand, PartPaths, Store, XattrNamespace, part_paths};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde_json::json;

use crate::arguments::TableFormat;
use crate::messages::print_line;

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
        TableFormat::Json => print_line(serde_json::to_string_pretty(&to_json(store, &layers, &paths(&layers)?))?),
        TableFormat::Table => print_line(table(store, &layers, &paths(&layers)?)),
    }
}

/// The directories themselves, or in each of them what is mounted there.
fn paths(layers: &Layers) -> anyhow::Result<PartPaths> {
    if layers.part.as_os_str().is_empty() {
        return Ok(PartPaths { upper: Some(layers.upperdir.clone()), lowers: layers.lowerdirs.clone() });
    }
    Ok(part_paths(layers)?)
}

fn to_json(store: Store, layers: &Layers, part: &PartPaths) -> serde_json::Value {
    let path = |path: &PathBuf| json!(ckpt_core::BytePath(path.clone()));
    let paths = |paths: &[PathBuf]| paths.iter().map(path).collect::<Vec<_>>();
    json!({
        "store": store.to_string(),
        "merged": layers.merged.as_ref().map(path),
        "part": path(&layers.part),
        "upperdir": part.upper.as_ref().map(path),
        "lowerdirs": paths(&part.lowers),
        "data_only_lowerdirs": paths(&layers.data_only_lowerdirs),
        "workdir": layers.workdir.as_ref().map(path),
        "userxattr": layers.xattr_ns == XattrNamespace::User,
    })
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
