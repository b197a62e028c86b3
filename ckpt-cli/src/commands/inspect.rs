//! `ckpt inspect`.

use std::path::PathBuf;

use ckpt_core::inspect::{Inspection, KubernetesPod, Maker, inspect_import};
use ckpt_core::privileges::{Granted, Privilege};
#[cfg(feature = "images")]
use ckpt_core::pull::{Description, describe};
#[cfg(feature = "images")]
use ckpt_core::reference::ImageRef;
use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanBytes;

#[cfg(feature = "images")]
use crate::archive::image;
#[cfg(feature = "serve")]
use crate::archive::saved::is_saved;
use crate::arguments::{IdentityArgument, StoreArgument, TableFormat};
use crate::files::Files;
use crate::json::print_json;
use crate::messages::print_line;
use crate::names::printable;
use crate::spool;
use crate::table::print_table;

/// Show what an archive holds, and what its container would be allowed on this host
///
/// Archives of CRI-O and containerd, which the kubelet keeps in /var/lib/kubelet/checkpoints, are read as well. Shows as well how much of the archive's data is shared with other files.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive, made by ckpt, podman, CRI-O or containerd; or a save, as web~1; or an image, as oci:DIR:TAG or docker://HOST/NAME:TAG,
    /// whose layer is not fetched from a registry
    archive: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
    #[command(flatten)]
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
}

#[cfg(feature = "serve")]
impl Arguments {
    /// Whether it is a save, which only root reads.
    pub(crate) fn is_of_history(&self) -> bool {
        is_saved(&self.archive)
    }
}

pub(crate) fn run(arguments: &Arguments, files: &Files) -> anyhow::Result<()> {
    #[cfg(feature = "images")]
    // Another user's settings and rights are not this one's: a client's image would be read with root's.
    if !files.are_lent()
        && let Some(image) = image::parse_optional(&arguments.archive)?
    {
        return match image {
            ImageRef::Registry(_) => print_description(&describe(&image, None)?, arguments.format),
            ImageRef::Layout(_) => {
                let import = image::import(&image, None, "inspect")?;
                print(&inspect_import(&import, &spool::folder())?, arguments.format)
            }
        };
    }
    let archive = files.archive(&arguments.archive, &arguments.store)?;
    let import = arguments.identity.open_to_look(archive.path().into(), None)?;
    print(&inspect_import(&import, &spool::folder())?, arguments.format)
}

fn print(inspection: &Inspection, format: TableFormat) -> anyhow::Result<()> {
    match format {
        TableFormat::Json => print_json(inspection),
        TableFormat::Table => print_tables(inspection),
    }
}

/// What is known without the layer.
#[cfg(feature = "images")]
fn print_description(description: &Description, format: TableFormat) -> anyhow::Result<()> {
    if let TableFormat::Json = format {
        return print_json(description);
    }
    let mut facts = Table::new();
    facts.load_style(UTF8_FULL_CONDENSED);
    let mut add = |title: &str, text: &str| {
        facts.add_row([printable(title.as_bytes()), printable(text.as_bytes())]);
    };
    add("image", &description.image);
    add("digest", &description.digest);
    add("layer", &description.layer_type);
    add("layer's digest", &description.layer_digest);
    add("layer's length", &HumanBytes(description.layer_bytes).to_string());
    for (name, value) in &description.annotations {
        add(name, value);
    }
    print_table(facts)
}

/// Words of the archive may be of any characters: they keep to their line.
fn print_tables(inspection: &Inspection) -> anyhow::Result<()> {
    let mut facts = Table::new();
    facts.load_style(UTF8_FULL_CONDENSED);
    let mut add = |title: &str, text: &str| {
        facts.add_row([title, &printable(text.as_bytes())]);
    };
    add("container", &format!("{} ({})", inspection.name, short(&inspection.id)));
    add("engine", &inspection.engine.to_string());
    if let Some(KubernetesPod { name, namespace }) = &inspection.pod {
        add("pod", &format!("{name} in {namespace}"));
    }
    add("image", &format!("{} ({})", inspection.image, short(&inspection.image_id)));
    add("runtime", &inspection.runtime);
    if let Some(manifest) = &inspection.manifest {
        let versions = &manifest.versions;
        add("made", &format!("{} by {}", manifest.created, manifest.tool));
        add("with", &format!("podman {}, {}, criu {}", versions.podman, versions.runtime, versions.criu));
        add("kernel", &versions.kernel);
        add("flags", &manifest.flags.join(" "));
        if let Some(save) = &manifest.save {
            add("save", &format!("{} {}", save.id, save.tags.join(" ")));
            add("note", &save.note);
        }
        for socket in &manifest.sockets {
            add("left out", &format!("{socket} (socket)"));
        }
    }
    for concern in &inspection.concerns {
        add("restore", concern);
    }
    add("deleted", &format!("{} paths of the image", inspection.deleted));
    add("length", &length(inspection));
    add("on disk", &on_disk(inspection));
    match inspection.engine {
        Maker::Podman => {
            print_table(facts)?;
            print_table(parts(inspection))?;
            print_privileges(&inspection.privileges)
        }
        _ => {
            print_table(facts)?;
            print_table(parts(inspection))
        }
    }
}

fn print_privileges(privileges: &[Granted]) -> anyhow::Result<()> {
    if privileges.is_empty() {
        return print_line("It would be allowed nothing beyond an ordinary container of podman.");
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["it would be allowed", "", "by"]);
    let has_all = privileges.iter().any(|granted| granted.privilege == Privilege::AllDevices);
    // All devices one by one say less than the one word; JSON has them.
    let is_told = |granted: &&Granted| !(has_all && matches!(granted.privilege, Privilege::Device { .. }));
    for Granted { by, privilege } in privileges.iter().filter(is_told) {
        table.add_row([privilege.title(), &printable(privilege.to_string().as_bytes()), by]);
    }
    print_table(table)
}

fn parts(inspection: &Inspection) -> Table {
    let mut parts = Table::new();
    parts.load_style(UTF8_FULL_CONDENSED).set_header(["part", "members", "data", "on blocks"]);
    for part in &inspection.parts {
        parts.add_row([
            printable(part.name.as_bytes()),
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

/// An ID in short; a digest with a name in full.
fn short(id: &str) -> &str {
    if id.contains('@') { id } else { id.get(..12).unwrap_or(id) }
}
