//! Processes that a dead run, or a dead podman, left at work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::orphans::Orphans;

/// How long processes may take to end, and how often they are looked at.
const LIMIT: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(5);

/// Programs that keep podman's environment for as long as a container, or a network, is there.
const LASTING: [&str; 2] = ["conmon", "aardvark-dns"];

/// Waits until no process is left that works with files of the session `folder`: podman, and below it the runtime and
/// CRIU, which have it in their environment or arguments. They all end by themselves when the run at the other end is
/// dead, but for [`Orphans`] of the container `id`, which are killed; gives whether they did.
pub(crate) fn wait_for_end_of(folder: &Path, id: Option<&str>) -> bool {
    let mut orphans = Orphans::default();
    until(|| {
        let is_ours = |pid| names_below(pid, folder) || id.is_some_and(|id| is_criu_of(pid, id));
        !orphans.kill_idle(is_ours) && !all().any(|pid| names_below(pid, folder))
    })
}

/// Kills what resumes, or runs, the container `id`: its conmon and CRIU with all below them, and all that is in its
/// cgroup.
///
/// For a container that podman does not know to run.
pub(crate) fn kill_container(id: &str) -> bool {
    until(|| {
        let found = of_container(id);
        for &pid in &found {
            kill(pid, |pid| of_container(id).contains(&pid));
        }
        found.is_empty()
    })
}

fn until(mut done: impl FnMut() -> bool) -> bool {
    let patience = Instant::now() + LIMIT;
    while !done() {
        if Instant::now() > patience {
            return false;
        }
        sleep(RETRY);
    }
    true
}

/// Numbers of processes get used again: the descriptor holds on to one, which is looked at once more before it is hit.
pub(super) fn kill(pid: i32, is_meant: impl Fn(i32) -> bool) {
    if let Some(pid) = Pid::from_raw(pid)
        && let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
        && is_meant(pid.as_raw_nonzero().get())
    {
        // It may have ended by itself meanwhile.
        let _ = pidfd_send_signal(descriptor, Signal::KILL);
    }
}

fn of_container(id: &str) -> BTreeSet<i32> {
    let living = all().filter_map(|pid| Some((pid, Stat::of(pid).filter(|stat| !stat.is_dead)?.parent)));
    let parents: BTreeMap<i32, i32> = living.collect();
    let mut found: BTreeSet<i32> = parents
        .keys()
        .copied()
        .filter(|&pid| is_conmon_of(pid, id) || is_criu_of(pid, id) || is_in_cgroup_of(pid, id))
        .collect();
    loop {
        let before = found.len();
        found.extend(
            parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(&pid, _)| pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            return found;
        }
    }
}

pub(super) fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// conmon is started as `conmon … -c ID …`.
fn is_conmon_of(pid: i32, id: &str) -> bool {
    let arguments = read(pid, "cmdline");
    let mut arguments = arguments.split(|byte| *byte == 0);
    arguments.next().is_some_and(|program| program.ends_with(b"conmon"))
        && arguments.any(|argument| argument == id.as_bytes())
}

/// CRIU names the bundle, in which its images are, or works in it; the runtime that waited for it may be gone. Tasks that
/// it restores are the runtime's children, which names the bundle as well: their title does no longer since CRIU 4.2.
pub(crate) fn is_criu_of(pid: i32, id: &str) -> bool {
    let bundle = format!("/{id}/userdata").into_bytes();
    let names_it = |pid| contains(&read(pid, "cmdline"), &bundle);
    let runtime_names_it = || is_restored(pid) && Stat::of(pid).is_some_and(|stat| names_it(stat.parent));
    let works_in_it = || {
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        contains(folder.as_os_str().as_bytes(), &bundle)
    };
    is_criu(pid) && (names_it(pid) || works_in_it() || runtime_names_it())
}

/// At work it calls itself `criu: restore --rpc -D IMAGES`, since CRIU 4.2 without the images, and so do the tasks that
/// it has not restored yet.
pub(super) fn is_criu(pid: i32) -> bool {
    let arguments = read(pid, "cmdline");
    let program = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    program == b"criu" || program.ends_with(b"/criu") || program.starts_with(b"criu: ")
}

/// Whether it takes part in a restore: `setproctitle` in CRIU's `restore_using_req`, for it and all that it forks.
pub(super) fn is_restored(pid: i32) -> bool {
    read(pid, "cmdline").starts_with(b"criu: restore")
}

/// The processes in the cgroup of the container `id`, or below it.
pub(crate) fn in_cgroup_of(id: &str) -> impl Iterator<Item = i32> {
    all().filter(move |&pid| is_in_cgroup_of(pid, id))
}

fn is_in_cgroup_of(pid: i32, id: &str) -> bool {
    let groups = read(pid, "cgroup");
    groups.split(|byte| matches!(byte, b'/' | b'\n')).any(|group| is_cgroup_of(group, id))
}

/// podman's cgroups are `libpod-ID` or `libpod-ID.scope`, with one below for the container, or not, and
/// `libpod-payload-ID` with `--cgroups=split`; conmon's have another name.
pub(crate) fn is_cgroup_of(name: &[u8], id: &str) -> bool {
    name.strip_prefix(b"libpod-")
        .map(|name| name.strip_prefix(b"payload-").unwrap_or(name))
        .and_then(|name| name.strip_prefix(id.as_bytes()))
        .is_some_and(|end| matches!(end, b"" | b".scope"))
}

pub(crate) fn names_below(pid: i32, folder: &Path) -> bool {
    if Stat::of(pid).is_some_and(|stat| LASTING.contains(&&stat.name[..])) {
        return false;
    }
    let mut below = folder.as_os_str().as_bytes().to_vec();
    below.push(b'/');
    ["cmdline", "environ"].into_iter().any(|file| contains(&read(pid, file), &below))
}

/// What `/proc/PID/stat` says, see proc_pid_stat(5).
pub(crate) struct Stat {
    pub(super) name: String,
    /// Nobody has waited for it yet.
    pub(super) is_dead: bool,
    pub(crate) parent: i32,
}

impl Stat {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let line = read(pid, "stat");
        let line = String::from_utf8_lossy(&line);
        // The name in parentheses may hold anything.
        let (name, rest) = line.split_once('(')?.1.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        Some(Stat { name: name.to_owned(), is_dead, parent: fields.next()?.parse().ok()? })
    }
}

/// Of a process that is gone, nothing.
pub(crate) fn read(pid: i32, file: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
