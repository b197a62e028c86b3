//! What the archive is, and how it was made.

use ckpt_core::inside::Statistics;
use ckpt_core::inspect::{Inspection, Picture};
use indicatif::HumanBytes;
use maud::{Markup, html};

use super::say::{count, counted, text};
use crate::commands::inspect::statistics;
use crate::commands::inspect::summary::short;

pub(super) fn header(picture: &Picture) -> Markup {
    let inspection = &picture.inspection;
    let processes = inspection.inside.processes.as_deref().unwrap_or_default();
    let memory = picture.shares.iter().find(|share| share.name.0 == b"memory").map_or(0, |share| share.bytes);
    let frozen = inspection.manifest.as_ref().and_then(|manifest| manifest.frozen_us);
    html! {
        p.eyebrow { "Checkpoint of a container" }
        h1 { (text(&inspection.name)) }
        p.image { (text(&inspection.image)) " · " code { (text(short(&inspection.id))) } }
        div.figures {
            (figure(&HumanBytes(inspection.archive_bytes).to_string(), "archive"))
            (figure(&HumanBytes(memory).to_string(), "memory"))
            (figure(&count(processes.len() as u64), if processes.len() == 1 { "process" } else { "processes" }))
            (figure(&count(picture.changes.files), if picture.changes.files == 1 { "file written" } else { "files written" }))
            @if let Some(us) = frozen { (figure(&format!("{} ms", us / 1000), "stood still")) }
        }
        (concerns(inspection))
    }
}

fn figure(value: &str, title: &str) -> Markup {
    html! { div.figure { span.value { (value) } span.title { (title) } } }
}

fn concerns(inspection: &Inspection) -> Markup {
    html! {
        @for concern in &inspection.concerns { p.verdict.bad { (text(concern)) } }
    }
}

/// By whom and how it was made, and how much of it others share.
pub(super) fn making(picture: &Picture) -> Markup {
    let inspection = &picture.inspection;
    let Statistics { criu, ckpt } = inspection.inside.statistics.clone().unwrap_or_default();
    html! {
        section #making {
            h2 { "How it was made" }
            dl {
                @for (title, value) in provenance(inspection) { dt { (title) } dd { (text(&value)) } }
            }
            h3 { "What it took" }
            dl {
                @for (title, value) in statistics::lines(criu.as_ref(), ckpt.as_ref()) { dt { (title) } dd { (value) } }
            }
            h3 { "Its parts" }
            div.scroll { table {
                thead { tr { th { "Part" } th.number { "Members" } th.number { "Data" } th.number { "On blocks" } } }
                @for part in &inspection.parts {
                    tr {
                        td.break { (text(&part.name)) }
                        td.number { (count(part.members)) }
                        td.number { (HumanBytes(part.bytes)) }
                        td.number { (HumanBytes(part.aligned_bytes)) }
                    }
                }
            } }
            (namespaces(inspection))
        }
    }
}

fn provenance(inspection: &Inspection) -> Vec<(&'static str, String)> {
    let mut rows = vec![("Engine", inspection.engine.to_string()), ("Runtime", inspection.runtime.clone())];
    if let Some(manifest) = &inspection.manifest {
        let versions = &manifest.versions;
        rows.push(("Made", format!("{} by {}", manifest.created, manifest.tool)));
        rows.push(("With", format!("podman {}, {}, CRIU {}", versions.podman, versions.runtime, versions.criu)));
        rows.push(("Kernel", versions.kernel.clone()));
        if !manifest.flags.is_empty() {
            rows.push(("Options", manifest.flags.join(" ")));
        }
        if let Some(save) = &manifest.save {
            rows.push(("Save", format!("{} {} {}", save.id, save.tags.join(" "), save.note)));
        }
    }
    if let Some(blocks) = inspection.blocks {
        let (mapped, shared) = (HumanBytes(blocks.mapped_bytes), HumanBytes(blocks.shared_bytes));
        rows.push(("On disk", format!("{mapped}, of which {shared} shared with other files")));
    }
    rows
}

fn namespaces(inspection: &Inspection) -> Markup {
    let all = inspection.inside.namespaces.as_deref().unwrap_or_default();
    html! {
        @if !all.is_empty() {
            h3 { "Namespaces" }
            p.chips {
                @for namespace in all {
                    span.chip {
                        (text(&namespace.kind)) ": " (counted(namespace.pids.len() as u64, "process", "processes"))
                        @if let Some(name) = &namespace.host_name { ", " (crate::commands::inspect::words::words(name)) }
                    }
                }
            }
        }
    }
}
