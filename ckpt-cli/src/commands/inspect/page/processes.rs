//! The processes of a checkpoint, each below its parent.

use ckpt_core::inside::{Descriptor, Limit, Process, ProcessState};
use indicatif::HumanBytes;
use maud::{Markup, html};

use super::say::{count, counted};
use crate::commands::inspect::words::{command, limit, mapped, numbers, open_file, path_words, words};

/// Processes that are shown: a browser has enough of so many.
const SHOWN: usize = 500;
/// What is shown of each list of one process.
const ROWS: usize = 200;
/// How far below its first process one is drawn.
const DEEPEST: u32 = 8;

pub(super) fn section(processes: &[Process]) -> Markup {
    let most = processes.iter().map(resident).max().unwrap_or_default().max(1);
    html! {
        section #processes {
            h2 { "Processes" }
            @if processes.is_empty() {
                p { "None: the container did not run when it was saved." }
            }
            ul.processes {
                @for process in processes.iter().take(SHOWN) {
                    li style=(format!("--depth:{}", process.depth.min(DEEPEST))) { (one(process, most)) }
                }
            }
            @if processes.len() > SHOWN {
                p { "And " (count((processes.len() - SHOWN) as u64)) " more: " code { "ckpt inspect --ps" } " shows them." }
            }
        }
    }
}

fn resident(process: &Process) -> u64 {
    process.memory.as_ref().map_or(0, |memory| memory.resident_bytes)
}

fn one(process: &Process, most: u64) -> Markup {
    let bytes = resident(process);
    html! {
        details {
            summary {
                span.pid { (process.pid) }
                code.command { (command(process)) }
                @if process.state != ProcessState::Running { span.chip.warn { (process.state.word()) } }
                @if process.threads.len() > 1 {
                    span.chip { (counted(process.threads.len() as u64, "thread", "threads")) }
                }
                span.memory-of {
                    span.bar { span style=(format!("width:{:.1}%", bytes as f64 / most as f64 * 100.0)) {} }
                    span.size { (HumanBytes(bytes)) }
                }
            }
            (facts(process))
            (memory(process))
            (files(process.files.as_deref().unwrap_or_default()))
            (limits(process.limits.as_deref().unwrap_or_default()))
            (environment(process))
        }
    }
}

fn facts(process: &Process) -> Markup {
    let path = |path: &Option<ckpt_core::BytePath>| path.as_ref().map(|path| path_words(&path.0));
    let rights = process.credentials.as_ref();
    let threads: Vec<String> =
        process.threads.iter().take(ROWS).map(|thread| format!("{} {}", thread.tid, words(&thread.name))).collect();
    let rows = [
        ("Program", path(&process.executable)),
        ("Working directory", path(&process.working_directory)),
        ("Root", path(&process.root).filter(|root| root != "/")),
        ("User and group", rights.map(|rights| format!("{}, {}", rights.effective_uid, rights.effective_gid))),
        ("Further groups", rights.filter(|rights| !rights.groups.is_empty()).map(|rights| numbers(&rights.groups))),
        ("Capabilities", rights.map(|rights| capabilities(&rights.effective_capabilities))),
        ("Threads", (threads.len() > 1).then(|| threads.join(", "))),
        ("Group, session", Some(format!("{}, {}", process.group_id, process.session_id))),
    ];
    html! {
        dl {
            @for (title, value) in rows {
                @if let Some(value) = value { dt { (title) } dd { (value) } }
            }
        }
    }
}

fn capabilities(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.strip_prefix("CAP_").unwrap_or(name)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ").to_lowercase() }
}

fn memory(process: &Process) -> Markup {
    let Some(memory) = &process.memory else { return html! {} };
    html! {
        h4 { "Memory" }
        p.note { (HumanBytes(memory.resident_bytes)) " saved of " (HumanBytes(memory.mapped_bytes)) " mapped" }
        div.scroll { table {
            @for kind in memory.kinds.iter().take(ROWS) {
                tr { td.break { (mapped(&kind.kind)) } td.number { (HumanBytes(kind.resident_bytes)) } }
            }
        } }
    }
}

fn files(files: &[Descriptor]) -> Markup {
    html! {
        @if !files.is_empty() {
            h4 { (counted(files.len() as u64, "open file", "open files")) }
            div.scroll { table {
                thead { tr { th.number { "Number" } th { "Kind" } th { "What" } } }
                @for descriptor in files.iter().take(ROWS) {
                    @let (kind, said) = open_file(&descriptor.file);
                    tr { td.number { (descriptor.fd) } td { (kind) } td.break { (said) } }
                }
            } }
            @if files.len() > ROWS { p.note { "And " (count((files.len() - ROWS) as u64)) " more." } }
        }
    }
}

fn limits(limits: &[Limit]) -> Markup {
    html! {
        @if !limits.is_empty() {
            h4 { "Limits" }
            div.scroll { table {
                thead { tr { th { "Of" } th.number { "Now" } th.number { "At most" } } }
                @for Limit { name, soft, hard } in limits {
                    tr { td { (name) } td.number { (limit(*soft)) } td.number { (limit(*hard)) } }
                }
            } }
        }
    }
}

fn environment(process: &Process) -> Markup {
    let all = process.environment.as_deref().unwrap_or_default();
    html! {
        @if !all.is_empty() {
            h4 { "Environment" }
            ul.plain { @for word in all.iter().take(ROWS) { li { code.break { (words(word)) } } } }
        }
    }
}
