//! What the container may do here, and what is mounted in it.

use ckpt_core::inspect::{Picture, Port, Rights};
use ckpt_core::privileges::Granted;
use indicatif::HumanBytes;
use maud::{Markup, html};

use super::say::{count, text};
use crate::commands::inspect::words::{path_words, words};

/// Mounts that are shown.
const SHOWN: usize = 300;

pub(super) fn section(picture: &Picture) -> Markup {
    let Picture { rights, inspection, .. } = picture;
    html! {
        section #rights {
            h2 { "What it may do here" }
            (beyond(&inspection.privileges))
            div.cards {
                (card("User", &format!("{}, group {}", rights.user[0], rights.user[1]), false))
                (card("Network", &network(rights), rights.network != "own"))
                (card("Ports of the host", &ports(&rights.ports), !rights.ports.is_empty()))
                (card("Devices", &list(&rights.devices, "only those of every container"), !rights.devices.is_empty()))
                (card("Memory", &rights.memory_bytes.map_or("no limit".to_owned(), |bytes| HumanBytes(bytes).to_string()), false))
                (card("Processes", &rights.processes.map_or("no limit".to_owned(), count), false))
                (card("Processors", &processors(rights), false))
                (card("System calls", if rights.seccomp { "filtered by seccomp" } else { "all" }, !rights.seccomp))
                (card("Security module", &module(rights), false))
                (card("Root", if rights.read_only_root { "read-only" } else { "can be written" }, false))
            }
            h3 { "Capabilities" }
            @if rights.capabilities.is_empty() { p { "None." } }
            p.chips { @for name in &rights.capabilities { span.chip { (text(name.strip_prefix("CAP_").unwrap_or(name)).to_lowercase()) } } }
            @if rights.no_new_privileges { p.note { "Programs that it starts get no further rights." } }
        }
    }
}

/// What other containers may not.
fn beyond(privileges: &[Granted]) -> Markup {
    html! {
        @if privileges.is_empty() {
            p.verdict.good { "Nothing beyond an ordinary container of podman." }
        } @else {
            p.verdict.bad { "More than an ordinary container of podman:" }
            ul.plain {
                @for Granted { privilege, .. } in privileges.iter().take(SHOWN) {
                    li { span.chip.warn { (privilege.title()) } " " span.break { (text(&privilege.to_string())) } }
                }
            }
            @if privileges.len() > SHOWN { p.note { "And " (count((privileges.len() - SHOWN) as u64)) " more." } }
        }
    }
}

fn card(title: &str, value: &str, stands_out: bool) -> Markup {
    html! { div.card.out[stands_out] { span.title { (title) } span.value.break { (value) } } }
}

fn list(words: &[String], none: &str) -> String {
    if words.is_empty() { none.to_owned() } else { text(&words.join(", ")) }
}

fn network(rights: &Rights) -> String {
    match &rights.network[..] {
        "own" => "its own".to_owned(),
        "host" => "the host's".to_owned(),
        other => text(other),
    }
}

fn ports(ports: &[Port]) -> String {
    let port = |port: &Port| {
        let host = if port.host_ip.is_empty() { String::new() } else { format!("{}:", port.host_ip) };
        let end = |first: u16| match port.range {
            0 | 1 => first.to_string(),
            range => format!("{first}–{}", u32::from(first) + u32::from(range) - 1),
        };
        format!("{host}{} → {} {}", end(port.host_port), end(port.container_port), port.protocol)
    };
    list(&ports.iter().map(port).collect::<Vec<_>>(), "none")
}

fn processors(rights: &Rights) -> String {
    let told = |thousandths: u64| format!("{}.{:02}", thousandths / 1000, thousandths % 1000 / 10);
    rights.cpu_thousandths.map_or("no limit".to_owned(), told)
}

fn module(rights: &Rights) -> String {
    match (&rights.apparmor_profile[..], &rights.selinux_label[..]) {
        ("", "") => "none".to_owned(),
        (profile, "") => text(&format!("AppArmor, {profile}")),
        (_, label) => text(&format!("SELinux, {label}")),
    }
}

/// What is mounted in it.
pub(super) fn mounts(picture: &Picture) -> Markup {
    let Some(mounts) = &picture.inspection.inside.mounts else { return html! {} };
    html! {
        section #mounts {
            h2 { "Mounts" }
            div.scroll { table {
                thead { tr { th { "In the container" } th { "Kind" } th { "From" } th { "How" } } }
                @for mount in mounts.configured.iter().take(SHOWN) {
                    tr {
                        td.break { (text(&mount.destination)) }
                        td { (text(&mount.kind)) }
                        td.break { (text(&mount.source)) }
                        td.break { (text(&mount.options.join(" "))) }
                    }
                }
            } }
            @if !mounts.mounted.is_empty() {
                details {
                    summary { "As its processes saw them: " (count(mounts.mounted.len() as u64)) }
                    div.scroll { table {
                        thead { tr { th { "Place" } th { "File system" } th { "Source" } th { "Part" } th { "Mode" } } }
                        @for mount in mounts.mounted.iter().take(SHOWN) {
                            tr {
                                td.break { (path_words(&mount.mount_point.0)) }
                                td { (text(&mount.file_system)) }
                                td.break { (words(&mount.source)) }
                                td.break { (path_words(&mount.root.0)) }
                                td { @if mount.read_only { "read-only" } @else { "read-write" } }
                            }
                        }
                    } }
                }
            }
        }
    }
}
