//! What /proc tells of a container that runs: proc(5). It goes on meanwhile, so that parts may not fit together.

mod descriptors;
mod limits;
mod memory;
mod mount_table;
mod sockets;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::error::InsideError;
use super::mount::{ConfiguredMount, Mounts};
use super::namespace::{Census, KINDS};
use super::process::{Process, Thread};
use super::sections::Sections;
use super::{Inside, tree};
use crate::host::byte_path::BytePath;
use crate::host::byte_string::ByteString;
use crate::host::processes::read;
use sockets::Sockets;
use status::Status;

/// What `sections` ask for, of a container of these processes of the host. Its configuration asks for these mounts.
pub(crate) fn inside(
    pids: impl Iterator<Item = i32>,
    configured: Vec<ConfiguredMount>,
    sections: &Sections,
) -> Result<Inside, InsideError> {
    let living: BTreeMap<i32, Status> = pids.filter_map(|pid| Some((pid, Status::of(pid)?))).collect();
    let namespaces = namespaces(&living);
    let processes = match sections.needs_processes() {
        true => Some(processes(&living, &namespaces, sections)?),
        false => None,
    };
    let of_mounts = || namespaces.iter().filter(|((kind, _), _)| *kind == "mnt");
    let mounted = || of_mounts().flat_map(|((_, id), pids)| mount_table::of(pids[0], *id)).collect();
    Ok(Inside {
        processes,
        mounts: sections.mounts.then(|| Mounts { configured, mounted: mounted() }),
        namespaces: sections.namespaces.then(|| {
            let mut census = Census::default();
            for ((kind, id), pids) in &namespaces {
                pids.iter().for_each(|pid| census.add(kind, *id, living[pid].pid));
            }
            census.into_namespaces(|_| None)
        }),
        statistics: None,
    })
}

/// The processes in each namespace, by its kind and number.
type Namespaces = BTreeMap<(&'static str, u64), Vec<i32>>;

fn namespaces(living: &BTreeMap<i32, Status>) -> Namespaces {
    let mut found = Namespaces::new();
    for &pid in living.keys() {
        for kind in KINDS {
            let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
            // `net:[4026531840]`
            let number = link
                .as_deref()
                .and_then(|link| link.to_str())
                .and_then(|link| link.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?.parse().ok());
            if let Some(number) = number {
                found.entry((kind, number)).or_default().push(pid);
            }
        }
    }
    found
}

fn processes(
    living: &BTreeMap<i32, Status>,
    namespaces: &Namespaces,
    sections: &Sections,
) -> Result<Vec<Process>, InsideError> {
    let wants_files = sections.files || sections.sockets;
    let in_each = namespaces.iter().filter(|((kind, _), _)| wants_files && *kind == "net").map(|(_, pids)| pids[0]);
    let sockets = Sockets::seen_by(in_each);
    let wanted = wanted(living, sections)?;
    let of = living.iter().filter(|(_, status)| wanted.as_ref().is_none_or(|wanted| wanted.contains(&status.pid)));
    let all = of.map(|(&pid, status)| process(pid, status, living, &sockets, sections)).collect();
    Ok(tree::in_order(all))
}

fn wanted(living: &BTreeMap<i32, Status>, sections: &Sections) -> Result<Option<BTreeSet<u32>>, InsideError> {
    let Some(pid) = sections.pid else { return Ok(None) };
    if !living.values().any(|status| status.pid == pid) {
        return Err(InsideError::NoProcess { pid });
    }
    let below = tree::below(pid, living.values().map(|status| (status.pid, parent(status, living))));
    Ok(Some(below.into_iter().collect()))
}

/// Its parent as the container numbers it; 0 if that is outside.
fn parent(status: &Status, living: &BTreeMap<i32, Status>) -> u32 {
    living.get(&status.parent).map_or(0, |parent| parent.pid)
}

fn process(
    pid: i32,
    status: &Status,
    living: &BTreeMap<i32, Status>,
    sockets: &Sockets,
    sections: &Sections,
) -> Process {
    let is_alive = status.state.is_alive();
    let descriptors = (is_alive && (sections.files || sections.sockets)).then(|| descriptors::of(pid, sockets));
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok().map(BytePath).filter(|_| is_alive);
    let words = |name: &str| is_alive.then(|| words(&read(pid, name)));
    Process {
        pid: status.pid,
        parent_pid: parent(status, living),
        depth: 0,
        group_id: status.group_id,
        session_id: status.session_id,
        name: name(pid),
        state: status.state,
        exit_status: None,
        threads: if is_alive { threads(pid) } else { Vec::new() },
        executable: link("exe"),
        command_line: words("cmdline"),
        memory: is_alive.then(|| memory::of(pid)),
        credentials: is_alive.then(|| status.credentials.clone()),
        environment: words("environ").filter(|_| sections.environment),
        working_directory: link("cwd").filter(|_| sections.files),
        root: link("root").filter(|_| sections.files),
        sockets: descriptors
            .as_ref()
            .filter(|_| sections.sockets)
            .map(|all| all.iter().filter(|descriptor| descriptor.file.is_socket()).cloned().collect()),
        files: descriptors.filter(|_| sections.files),
        limits: sections.limits.then(|| limits::of(pid)),
    }
}

fn name(pid: i32) -> ByteString {
    let name = read(pid, "comm");
    name.strip_suffix(b"\n").unwrap_or(&name).into()
}

fn threads(pid: i32) -> Vec<Thread> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let tids = entries.filter_map(|entry| str::from_utf8(entry.file_name().as_bytes()).ok()?.parse().ok());
    let mut threads: Vec<Thread> =
        tids.filter_map(|tid: i32| Some(Thread { tid: Status::of(tid)?.pid, name: name(tid) })).collect();
    threads.sort_by_key(|thread| thread.tid);
    threads
}

/// Words that end with a zero byte each.
fn words(bytes: &[u8]) -> Vec<ByteString> {
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|&byte| byte == 0).map(ByteString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::{OpenFile, ProcessState};

    /// This very process is looked at.
    #[test]
    fn a_process_is_seen_with_what_it_has_open() {
        let (file, listener) = (tempfile::tempfile().unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let own = i32::try_from(std::process::id()).unwrap();
        let inside = inside([own].into_iter(), Vec::new(), &Sections::all()).unwrap();
        let [process] = &inside.processes.unwrap()[..] else { panic!("there is one") };
        assert_eq!((process.pid, process.state, process.depth), (std::process::id(), ProcessState::Running, 0));
        let arguments: Vec<_> = std::env::args_os().map(|word| ByteString::from(word.as_bytes())).collect();
        assert_eq!(process.command_line.as_ref().unwrap(), &arguments);
        assert!(process.threads.len() > 1 && process.memory.as_ref().unwrap().resident_bytes > 1 << 20);
        let files = process.files.as_ref().unwrap();
        assert!(files.iter().any(|found| matches!(&found.file, OpenFile::File { deleted: true, .. })), "{files:?}");
        let address = listener.local_addr().unwrap();
        let is_listener = |found: &OpenFile| match found {
            OpenFile::Inet(socket) => socket.local.is_some_and(|local| local.port == address.port()),
            _ => false,
        };
        assert!(process.sockets.as_ref().unwrap().iter().any(|found| is_listener(&found.file)), "{files:?}");
        assert_eq!(process.limits.as_ref().unwrap().len(), 16);
        assert!(!inside.mounts.unwrap().mounted.is_empty());
        assert_eq!(inside.namespaces.unwrap().len(), 8);
        drop(file);
    }
}
