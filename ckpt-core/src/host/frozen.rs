//! A group of cgroups v2 that stands still, and the guard that thaws it whoever dies.
//!
//! Who freezes notes the group in a file first, and starts a guard, which belongs to none of those that work: it holds on
//! to them, and thaws when they have ended. Who is done thaws, and removes the file. If the guard was killed too, the
//! file says to the next run what is to be thawed.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// `argv[0]` of the guard.
pub(crate) const GUARD: &str = "ckpt-thaw";

/// Name of the file in a session's folder that says which group may be frozen.
pub(crate) const BEGUN: &str = "frozen";

/// The group that a file names, if it is there.
pub(crate) fn group_in(file: &Path) -> Option<PathBuf> {
    Some(OsString::from_vec(fs::read(file).ok()?).into())
}

/// Lets the group run that the file names, if it is there. Once: whoever freezes it next is somebody else.
pub(crate) fn thaw_noted(begun: &Path) {
    if let Some(group) = group_in(begun) {
        thaw(&group);
        // Gone already if another one did the same.
        let _ = fs::remove_file(begun);
    }
}

/// Starts the guard of the group that the file `begun` will name, and waits until it holds on to `others` and to this
/// process: it thaws when they have all ended, unless the file is gone by then.
pub(crate) fn start_guard(others: &[u32], begun: &Path) -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(GUARD).arg(begun).args(others.iter().map(u32::to_string)).arg(process::id().to_string());
    // Who has this environment works for the run, and is waited for; the guard itself only waits.
    command.env_clear();
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut guard = command.spawn()?;
    let mut ready = guard.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    ready.read_exact(&mut [0])
}

/// The guard: waits for the end of those it was told of, and thaws.
pub(crate) fn guard() -> u8 {
    match guard_as_told() {
        Some(()) => 0,
        None => 1,
    }
}

fn guard_as_told() -> Option<()> {
    let mut arguments = env::args_os().skip(1);
    let begun = PathBuf::from(arguments.next()?);
    let pids: Vec<u32> = arguments.map(|pid| pid.to_str()?.parse().ok()).collect::<Option<_>>()?;
    let held: Vec<OwnedFd> = pids.iter().map(|pid| held(*pid)).collect::<Option<_>>()?;
    // The numbers were theirs when they were held: the last one lives, and is the parent of the others or this one's.
    if Some(&parent_id()) != pids.last() {
        return None;
    }
    let mut ready = io::stdout();
    ready.write_all(b"y").and_then(|()| ready.flush()).ok()?;
    held.iter().for_each(wait_for_end);
    thaw_noted(&begun);
    Some(())
}

fn held(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).ok()
}

fn wait_for_end(process: &OwnedFd) {
    // pidfd_open(2): readable once it has ended. A signal ends the poll, not the wait.
    while !matches!(poll(&mut [PollFd::new(process, PollFlags::IN)], None), Ok(1..)) {}
}

/// Freezes; gives whether all of `group` stands still before the `limit`.
pub(crate) fn freeze_within(group: &Path, limit: Duration) -> io::Result<bool> {
    let mut events = File::open(group.join("cgroup.events"))?;
    fs::write(group.join("cgroup.freeze"), "1")?;
    let end = Instant::now() + limit;
    loop {
        let mut text = String::new();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        if text.lines().any(|line| line == "frozen 1") {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // The kernel tells a change as an exceptional condition (cgroup-v2.rst, "cgroup.events").
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout))?;
    }
}

pub(crate) fn thaw(group: &Path) {
    if is_state(group, "1") {
        // Of a group that is gone meanwhile nothing is frozen.
        let _ = fs::write(group.join("cgroup.freeze"), "0");
    }
}

pub(crate) fn is_state(group: &Path, state: &str) -> bool {
    fs::read_to_string(group.join("cgroup.freeze")).is_ok_and(|text| text.trim() == state)
}
