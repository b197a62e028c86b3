//! Processes that a dead run, or a dead podman, left at work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::orphans;
use crate::criu_hook;

/// How long processes may take to end, and how often they are looked at.
const LIMIT: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(5);

/// Who works for a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work<'s> {
    /// Of a checkpoint: podman, the runtime and CRIU, all of which end with the dump.
    Dump(&'s Path),
    /// Of a restore: podman alone. What it starts may live as long as the container, with the same environment.
    Restore(&'s Path),
}

impl Work<'_> {
    fn is_done_by(self, pid: i32) -> bool {
        match self {
            Work::Dump(session) => has_environment_of(pid, session) || is_criu(pid) && has_mark_of(pid, session),
            Work::Restore(session) => {
                has_environment_of(pid, session) && contains(&read(pid, "cmdline"), &below(session))
            }
        }
    }

    /// Whether it is a CRIU, or a part of one, that was started for the session, or by a runtime for the `bundle`.
    pub(crate) fn has_criu(self, pid: i32, bundle: Option<&Path>) -> bool {
        let (Work::Dump(session) | Work::Restore(session)) = self;
        let is_below_runtime = |bundle: &Path| {
            is_restored(pid) && Stat::of(pid).is_some_and(|stat| contains_path(&read(stat.parent, "cmdline"), bundle))
        };
        is_criu(pid) && (has_mark_of(pid, session) || bundle.is_some_and(is_below_runtime))
    }

    /// Whether a CRIU that was started for the session is at it.
    pub(crate) fn is_at_criu(self) -> bool {
        all().any(|pid| self.has_criu(pid, None))
    }
}

/// Waits until nobody does any `work`. They all end by themselves when the run at the other end is dead, but for [`orphans`],
/// which are killed, with those of the container in `bundle`; gives whether they did.
pub(crate) fn wait_for_end_of(work: Work<'_>, bundle: Option<&Path>) -> bool {
    until(|| !orphans::kill(|pid| work.has_criu(pid, bundle)) && !all().any(|pid| work.is_done_by(pid)))
}

/// Kills what resumes, or runs, the container `id` in `bundle`: its conmon and CRIU with all below them, and all that is in
/// its cgroup.
///
/// For a container that podman does not know to run.
pub(super) fn kill_container(id: &str, bundle: &Path) -> bool {
    until(|| {
        let found = of_container(id, bundle);
        for &pid in &found {
            kill(pid, |pid| of_container(id, bundle).contains(&pid));
        }
        found.is_empty()
    })
}

/// Whether a container with this `id` is watched that has another bundle: that of another store, restored from the same
/// archive.
pub(super) fn is_elsewhere(id: &str, bundle: &Path) -> bool {
    all().any(|pid| is_conmon_with(pid, id.as_bytes()) && !is_conmon_with(pid, bundle.as_os_str().as_bytes()))
}

/// Waits for a moment in which no podman is at work, which could be about to use what nobody uses; gives whether it came.
pub(super) fn is_podman_at_rest() -> bool {
    let is_podman = |pid| Stat::of(pid).is_some_and(|stat| stat.name == "podman" && !stat.is_dead);
    until(|| !all().any(is_podman))
}

/// Inodes of the network namespaces that processes are in.
pub(super) fn network_namespaces() -> BTreeSet<u64> {
    all().filter_map(|pid| Some(fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino())).collect()
}

/// Whether it comes about before patience is lost.
pub(super) fn until(mut done: impl FnMut() -> bool) -> bool {
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

fn of_container(id: &str, bundle: &Path) -> BTreeSet<i32> {
    let living = all().filter_map(|pid| Some((pid, Stat::of(pid).filter(|stat| !stat.is_dead)?.parent)));
    let parents: BTreeMap<i32, i32> = living.collect();
    // Its cgroup has no other name in another store.
    let has_cgroup = !is_elsewhere(id, bundle);
    let is_its = |pid| {
        is_conmon_with(pid, bundle.as_os_str().as_bytes())
            || is_criu_in(pid, bundle)
            || has_cgroup && is_in_cgroup_of(pid, id)
    };
    let mut found: BTreeSet<i32> = parents.keys().copied().filter(|&pid| is_its(pid)).collect();
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

/// conmon is started as `conmon … -c ID … -b BUNDLE …`.
fn is_conmon_with(pid: i32, wanted: &[u8]) -> bool {
    let arguments = read(pid, "cmdline");
    let mut arguments = arguments.split(|byte| *byte == 0);
    arguments.next().is_some_and(|program| program.ends_with(b"conmon")) && arguments.any(|argument| argument == wanted)
}

/// CRIU names the bundle, in which its images are, or works in it.
fn is_criu_in(pid: i32, bundle: &Path) -> bool {
    let works_in_it = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder.starts_with(bundle));
    is_criu(pid) && (contains_path(&read(pid, "cmdline"), bundle) || works_in_it())
}

/// Started by a runtime: `criu swrk FD`. At work it calls itself `criu: restore --rpc -D IMAGES`, since CRIU 4.2 without
/// the images, and so does all that it forks. Nobody starts CRIU so by hand: `criu dump`, `page-server`, `lazy-pages` or
/// `service` are an administrator's.
pub(super) fn is_criu(pid: i32) -> bool {
    let arguments = read(pid, "cmdline");
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    match program.strip_prefix(b"criu: ") {
        Some(title) => [&b"dump --rpc"[..], b"restore --rpc"].iter().any(|rpc| title.starts_with(rpc)),
        None => (program == b"criu" || program.ends_with(b"/criu")) && arguments.next() == Some(b"swrk"),
    }
}

/// Whether it is anybody's CRIU, or a part of one.
pub(super) fn is_anyones_criu(pid: i32) -> bool {
    let arguments = read(pid, "cmdline");
    let program = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    program == b"criu" || program.ends_with(b"/criu") || program.starts_with(b"criu: ")
}

/// Whether it takes part in a restore: `setproctitle` in CRIU's `restore_using_req`, for it and all that it forks.
pub(super) fn is_restored(pid: i32) -> bool {
    read(pid, "cmdline").starts_with(b"criu: restore --rpc")
}

/// Whether it has open what our `criu` opens before it becomes CRIU. Its environment is no mark: CRIU writes its title
/// over that.
fn has_mark_of(pid: i32, session: &Path) -> bool {
    let mark = criu_hook::mark(session);
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|file| file == mark)
}

fn has_environment_of(pid: i32, session: &Path) -> bool {
    contains(&read(pid, "environ"), &below(session))
}

fn below(folder: &Path) -> Vec<u8> {
    [folder.as_os_str().as_bytes(), b"/"].concat()
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

/// What `/proc/PID/stat` says, see proc_pid_stat(5).
pub(crate) struct Stat {
    pub(super) name: String,
    /// Nobody has waited for it yet.
    pub(super) is_dead: bool,
    pub(crate) parent: i32,
    /// Whether it executes what the one executed that forked it.
    pub(super) is_fork: bool,
}

/// `PF_FORKNOEXEC` in linux/sched.h.
const FORK_NO_EXEC: u32 = 0x40;

impl Stat {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let line = read(pid, "stat");
        let line = String::from_utf8_lossy(&line);
        // The name in parentheses may hold anything.
        let (name, rest) = line.split_once('(')?.1.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        // Behind process group, session, terminal and its group.
        let flags: u32 = fields.nth(4)?.parse().ok()?;
        Some(Stat { name: name.to_owned(), is_dead, parent, is_fork: flags & FORK_NO_EXEC != 0 })
    }
}

/// Of a process that is gone, nothing.
pub(crate) fn read(pid: i32, file: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether `path` is in there as a whole, or as the beginning of a longer one.
fn contains_path(bytes: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    bytes.windows(path.len() + 1).any(|window| window.starts_with(path) && matches!(window.last(), Some(b'/' | 0)))
}
