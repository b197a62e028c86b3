//! What an archive is, in tables.

use ckpt_core::inspect::{Inspection, KubernetesPod, LivingInspection, Maker};
use ckpt_core::privileges::{Granted, Privilege};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::HumanBytes;

use crate::messages::print_line;
use crate::names::printable;
use crate::table::print_table;

/// Words of the archive may be of any characters: they keep to their line.
pub(super) fn print(inspection: &Inspection) -> anyhow::Result<()> {
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
    print_table(facts)?;
    print_table(parts(inspection))?;
    match inspection.engine {
        Maker::Podman => print_privileges(&inspection.privileges),
        _ => Ok(()),
    }
}

/// The same of a container that podman has.
pub(super) fn print_living(inspection: &LivingInspection) -> anyhow::Result<()> {
    let mut facts = Table::new();
    facts.load_style(UTF8_FULL_CONDENSED);
    let mut add = |title: &str, text: &str| {
        facts.add_row([title, &printable(text.as_bytes())]);
    };
    add("container", &format!("{} ({})", inspection.name, short(&inspection.id)));
    add("engine", &inspection.engine.to_string());
    add("image", &format!("{} ({})", inspection.image, short(&inspection.image_id)));
    add("runtime", &inspection.runtime);
    add("status", &inspection.status);
    for concern in &inspection.concerns {
        add("restore", concern);
    }
    print_table(facts)?;
    print_privileges(&inspection.privileges)
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
pub(super) fn short(id: &str) -> &str {
    if id.contains('@') { id } else { id.get(..12).unwrap_or(id) }
}
