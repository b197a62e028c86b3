//! Processes of this host, as /proc tells of them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::host::waiting::Waiting;

/// How long processes may take to end.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What `/proc/PID/stat` says, see proc_pid_stat(5).
pub(crate) struct Stat {
    pub(crate) name: String,
    /// Nobody has waited for it yet.
    pub(crate) is_dead: bool,
    pub(crate) parent: i32,
    /// Whether it executes what the one executed that forked it.
    pub(crate) is_fork: bool,
    /// When it was started, in ticks since the machine was.
    pub(crate) started: u64,
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
        let started = fields.nth(12)?.parse().ok()?;
        Some(Stat { name: name.to_owned(), is_dead, parent, is_fork: flags & FORK_NO_EXEC != 0, started })
    }
}

/// Of a process that is gone, nothing.
pub(crate) fn read(pid: i32, file: &str) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

pub(crate) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether `path` is in there as a whole, or as the beginning of a longer one.
pub(crate) fn contains_path(bytes: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    bytes.windows(path.len() + 1).any(|window| window.starts_with(path) && matches!(window.last(), Some(b'/' | 0)))
}

/// Inodes of the network namespaces that processes are in.
pub(crate) fn network_namespaces() -> BTreeSet<u64> {
    all().filter_map(|pid| Some(fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino())).collect()
}

/// Numbers of processes get used again: the descriptor holds on to one, which is looked at once more before it is hit.
pub(crate) fn kill(pid: i32, is_meant: impl Fn(i32) -> bool) {
    if let Some(pid) = Pid::from_raw(pid)
        && let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
        && is_meant(pid.as_raw_nonzero().get())
    {
        // It may have ended by itself meanwhile.
        let _ = pidfd_send_signal(descriptor, Signal::KILL);
    }
}

/// Whether it comes about before patience is lost; `who` is waited for.
///
/// # Errors
/// That the interrupt was raised.
pub(crate) fn until(
    waiting: &mut Waiting<'_>,
    who: impl Fn() -> String,
    mut done: impl FnMut() -> bool,
) -> io::Result<bool> {
    let told = || format!("{}: waiting for its end, {} s at most", who(), LIMIT.as_secs());
    waiting.until_limit(LIMIT, told, || Ok(done()))
}

/// A process in words, also if it is gone.
pub(crate) fn named(pid: Option<i32>) -> String {
    let name = |pid| Some((pid, Stat::of(pid)?.name));
    pid.and_then(name).map_or_else(|| "a process".to_owned(), |(pid, name)| format!("process {pid} ({name})"))
}
