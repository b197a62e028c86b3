//! `--format tree`: each process with what it has, below its parent.

use std::fmt;

use ckpt_core::inside::{Inside, Limit, Namespace, Process, ProcessState, Statistics};

use super::outline::Outline;
use super::statistics;
use super::words::{limit, memory, numbers, open_file, path_words, short_command, words};
use crate::names::printable;

/// What is below `title`.
pub(super) fn tree(title: &str, inside: &Inside) -> impl fmt::Display {
    let mut outline = Outline::default();
    outline.add(0, title);
    if let Some(all) = &inside.processes {
        outline.add(1, "processes");
        all.iter().for_each(|process| add_process(&mut outline, process));
    }
    if let Some(mounts) = &inside.mounts {
        outline.add(1, "mounts asked for");
        for mount in &mounts.configured {
            let text = |word: &str| printable(word.as_bytes());
            outline.add(2, format!("{} ({} {})", text(&mount.destination), text(&mount.kind), text(&mount.source)));
        }
        outline.add(1, "mounts");
        for mount in &mounts.mounted {
            let mode = if mount.read_only { ", read-only" } else { "" };
            let external = if mount.external == Some(true) { ", from outside" } else { "" };
            let (place, kind) = (path_words(&mount.mount_point.0), printable(mount.file_system.as_bytes()));
            outline.add(2, format!("{place} ({kind} {}{mode}{external})", words(&mount.source)));
        }
    }
    if let Some(namespaces) = &inside.namespaces {
        outline.add(1, "namespaces");
        namespaces.iter().for_each(|namespace| outline.add(2, namespace_line(namespace)));
    }
    if let Some(Statistics { criu, ckpt }) = &inside.statistics {
        outline.add(1, "statistics");
        for (title, value) in statistics::lines(criu.as_ref(), ckpt.as_ref()) {
            outline.add(2, format!("{title}: {value}"));
        }
    }
    outline
}

fn namespace_line(namespace: &Namespace) -> String {
    let host = namespace.host_name.as_ref().map_or_else(String::new, |name| format!(", host {}", words(name)));
    format!("{} {}: processes {}{host}", namespace.kind, namespace.id, numbers(&namespace.pids))
}

fn add_process(outline: &mut Outline, process: &Process) {
    let depth = 2 + process.depth as usize;
    outline.add(depth, format!("[{}] {}{}", process.pid, short_command(process), remarks(process)));
    let mut below = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            outline.add(depth + 1, title);
            lines.into_iter().for_each(|line| outline.add(depth + 2, line));
        }
    };
    below("environment", process.environment.iter().flatten().map(words).collect());
    let directory = |(title, path): (&str, &Option<ckpt_core::BytePath>)| {
        path.as_ref().map(|path| format!("{title}: {}", path_words(&path.0)))
    };
    let directories = [("working directory", &process.working_directory), ("root", &process.root)];
    let descriptor = |descriptor: &ckpt_core::inside::Descriptor| {
        let (kind, text) = open_file(&descriptor.file);
        format!("{}: {kind} {text}", descriptor.fd)
    };
    let files = process.files.iter().flatten().map(descriptor);
    below("files", directories.into_iter().filter_map(directory).chain(files).collect());
    below("sockets", process.sockets.iter().flatten().map(descriptor).collect());
    let limit_line = |Limit { name, soft, hard }: &Limit| format!("{name}: {} to {}", limit(*soft), limit(*hard));
    below("limits", process.limits.iter().flatten().map(limit_line).collect());
}

/// What is not as it mostly is.
fn remarks(process: &Process) -> String {
    let mut remarks = Vec::new();
    if process.state != ProcessState::Running {
        remarks.push(process.state.word().to_owned());
    }
    if process.threads.len() > 1 {
        remarks.push(format!("{} threads", process.threads.len()));
    }
    if process.memory.as_ref().is_some_and(|memory| memory.resident_bytes > 0) {
        remarks.push(memory(process));
    }
    if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
}
