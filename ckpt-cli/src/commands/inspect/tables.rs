//! `--format table`: a table for each part.

use std::collections::BTreeMap;

use ckpt_core::inside::{Inside, Limit, Mounts, Namespace, Process, Sections, Statistics};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::statistics;
use super::words::{limit, memory, numbers, open_file, path_words, short_command, socket, words};
use crate::names::printable;

/// A table for each part that is there, in the order of the options' help.
pub(super) fn tables(inside: &Inside, sections: &Sections) -> Vec<Table> {
    let processes = inside.processes.as_deref().unwrap_or_default();
    let mut tables = Vec::new();
    if sections.processes || sections.pid.is_some() {
        tables.push(of_processes(processes));
    }
    if sections.environment {
        tables.push(of_environment(processes));
    }
    if sections.files {
        tables.push(of_files(processes));
    }
    if sections.sockets {
        tables.push(of_sockets(processes));
    }
    if sections.limits {
        tables.push(of_limits(processes));
    }
    tables.extend(inside.mounts.iter().flat_map(of_mounts));
    tables.extend(inside.namespaces.as_deref().map(of_namespaces));
    tables.extend(inside.statistics.as_ref().map(of_statistics));
    tables
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for (number, column) in table.column_iter_mut().enumerate() {
        if columns.contains(&number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn of_processes(processes: &[Process]) -> Table {
    let mut table = table(["pid", "parent", "user", "state", "threads", "memory", "command"]);
    for process in processes {
        let user = process.credentials.as_ref().map_or_else(String::new, |rights| rights.effective_uid.to_string());
        table.add_row([
            process.pid.to_string(),
            process.parent_pid.to_string(),
            user,
            process.state.word().to_owned(),
            process.threads.len().to_string(),
            memory(process),
            format!("{}{}", indent(process), short_command(process)),
        ]);
    }
    align_right(&mut table, &[0, 1, 2, 4, 5]);
    table
}

fn indent(process: &Process) -> String {
    let depth = process.depth.min(20) as usize;
    // A space of its own width: the table takes others away at the beginning of a line that it breaks.
    format!("{}{}", "\u{a0}\u{a0}".repeat(depth.saturating_sub(1)), if depth > 0 { "└ " } else { "" })
}

fn of_environment(processes: &[Process]) -> Table {
    let mut table = table(["pid", "environment"]);
    for process in processes {
        for word in process.environment.iter().flatten() {
            table.add_row([process.pid.to_string(), words(word)]);
        }
    }
    align_right(&mut table, &[0]);
    table
}

fn of_files(processes: &[Process]) -> Table {
    let mut table = table(["pid", "fd", "kind", "open"]);
    for process in processes {
        for (title, path) in [("root", &process.root), ("cwd", &process.working_directory)] {
            if let Some(path) = path {
                table.add_row([process.pid.to_string(), title.to_owned(), "file".to_owned(), path_words(&path.0)]);
            }
        }
        for descriptor in process.files.iter().flatten() {
            let (kind, text) = open_file(&descriptor.file);
            table.add_row([process.pid.to_string(), descriptor.fd.to_string(), kind.to_owned(), text]);
        }
    }
    align_right(&mut table, &[0, 1]);
    table
}

fn of_sockets(processes: &[Process]) -> Table {
    let mut table = table(["pid", "fd", "protocol", "state", "ends"]);
    for process in processes {
        for descriptor in process.sockets.iter().flatten() {
            let [protocol, state, ends] = socket(&descriptor.file);
            table.add_row([process.pid.to_string(), descriptor.fd.to_string(), protocol, state, ends]);
        }
    }
    align_right(&mut table, &[0, 1]);
    table
}

/// Name, soft and hard limit; none is unlimited.
type LimitRow<'a> = (&'a str, Option<u64>, Option<u64>);

/// Processes mostly have the same ones.
fn of_limits(processes: &[Process]) -> Table {
    let mut table = table(["processes", "limit", "soft", "hard"]);
    let mut by_limits: BTreeMap<Vec<LimitRow<'_>>, Vec<u32>> = BTreeMap::new();
    for process in processes.iter().filter(|process| process.limits.as_ref().is_some_and(|limits| !limits.is_empty())) {
        let limits = process.limits.iter().flatten();
        let limits = limits.map(|Limit { name, soft, hard }| (&name[..], *soft, *hard)).collect();
        by_limits.entry(limits).or_default().push(process.pid);
    }
    for (limits, pids) in by_limits {
        for (number, (name, soft, hard)) in limits.into_iter().enumerate() {
            let pids = if number == 0 { numbers(&pids) } else { String::new() };
            table.add_row([pids, name.to_owned(), limit(soft), limit(hard)]);
        }
    }
    align_right(&mut table, &[2, 3]);
    table
}

fn of_mounts(mounts: &Mounts) -> [Table; 2] {
    let mut configured = table(["mount asked for", "type", "source", "options"]);
    for mount in &mounts.configured {
        let text = |word: &str| printable(word.as_bytes());
        let options = text(&mount.options.join(" "));
        configured.add_row([text(&mount.destination), text(&mount.kind), text(&mount.source), options]);
    }
    let mut mounted = table(["mount", "file system", "source", "part", "mode", "from outside"]);
    for mount in &mounts.mounted {
        let external = mount.external.map_or("", |external| if external { "yes" } else { "no" });
        mounted.add_row([
            path_words(&mount.mount_point.0),
            printable(mount.file_system.as_bytes()),
            words(&mount.source),
            path_words(&mount.root.0),
            if mount.read_only { "ro" } else { "rw" }.to_owned(),
            external.to_owned(),
        ]);
    }
    [configured, mounted]
}

fn of_namespaces(namespaces: &[Namespace]) -> Table {
    let mut table = table(["namespace", "number", "host name", "processes"]);
    for namespace in namespaces {
        table.add_row([
            namespace.kind.clone(),
            namespace.id.to_string(),
            namespace.host_name.as_ref().map_or_else(String::new, words),
            numbers(&namespace.pids),
        ]);
    }
    align_right(&mut table, &[1]);
    table
}

fn of_statistics(Statistics { criu, ckpt }: &Statistics) -> Table {
    let mut table = table(["statistics", ""]);
    for (title, value) in statistics::lines(criu.as_ref(), ckpt.as_ref()) {
        table.add_row([title, &value]);
    }
    align_right(&mut table, &[1]);
    table
}
