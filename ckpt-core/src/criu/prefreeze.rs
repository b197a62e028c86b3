//! Freezes the container's cgroup just before CRIU would do so, which saves a wait.
//!
//! CRIU freezes the cgroup, looks, and where it is not frozen yet sleeps for 100 ms before it looks again
//! (`freeze_processes` in criu/seize.c). One that it finds frozen it takes as it is, and in the end leaves it as it was
//! found: with `--leave-running`, and after a failure, frozen. So whoever freezes first has it thawed, by a guard:
//!
//! ```text
//! CRIU ── script at pre-dump ── starts the guard ── freezes ── ends
//!   │                             │ holds on to both
//!   └── dumps, or fails, or dies ─┴─> thaws
//! ```
//!
//! The guard belongs to none of ckpt, podman, the runtime and CRIU: it thaws whichever of them dies.
//!
//! Cgroups v1 are left to CRIU: there it notes the state that it found in its images, and a restored container would
//! stand still.

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

use crate::host::session::{Session, SessionError};

/// `argv[0]` of the guard.
pub(crate) const GUARD: &str = "ckpt-thaw";

/// Name of the file in the session's folder that says which cgroup is to be frozen, and its name once it may be.
const PLANNED: &str = "freeze";
const BEGUN: &str = "frozen";

/// A group that is not frozen by then is left to CRIU, which has more patience. Most take less than one.
const LIMIT: Duration = Duration::from_millis(100);

/// Has CRIU's script freeze the cgroup in the folder `group` before CRIU does.
pub(crate) fn plan(session: &Session, group: &Path) -> Result<(), SessionError> {
    let path = session.path().join(PLANNED);
    fs::write(&path, group.as_os_str().as_encoded_bytes()).map_err(|source| SessionError::new("write", &path, source))
}

/// Lets the container run again whose guard was killed. Call it when CRIU has ended.
pub(crate) fn thaw_if_unguarded(session: &Session) {
    if let Some(group) = group_in(&session.path().join(BEGUN)) {
        thaw(&group);
    }
}

/// CRIU's script, before the dump: freezes the group that the run in `session` planned to, if any. What cannot be done
/// here, CRIU does itself.
pub(crate) fn freeze(session: &Path) {
    let (planned, begun) = (session.join(PLANNED), session.join(BEGUN));
    let Some(group) = group_in(&planned) else { return };
    let criu = parent_id();
    if is_state(&group, "0") && start_guard(criu, &begun).is_ok() && parent_id() == criu {
        let frozen = fs::rename(planned, begun).and_then(|()| freeze_within(&group, LIMIT));
        if !frozen.is_ok_and(|frozen| frozen) {
            thaw(&group);
        }
    }
}

fn group_in(file: &Path) -> Option<PathBuf> {
    Some(OsString::from_vec(fs::read(file).ok()?).into())
}

/// Starts the guard, and waits until it holds on to CRIU and to this process.
fn start_guard(criu: u32, begun: &Path) -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(GUARD).args([criu, process::id()].map(|pid| pid.to_string())).arg(begun);
    // Who has this environment works for the run, and is waited for; the guard itself only waits.
    command.env_clear();
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut guard = command.spawn()?;
    let mut ready = guard.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    ready.read_exact(&mut [0])
}

/// The guard: waits for the script's end and CRIU's, and thaws.
pub(crate) fn guard() -> u8 {
    match guard_as_told() {
        Some(()) => 0,
        None => 1,
    }
}

fn guard_as_told() -> Option<()> {
    let mut arguments = env::args_os().skip(1);
    let mut pid = || arguments.next()?.to_str()?.parse().ok();
    let (criu, script): (u32, u32) = (pid()?, pid()?);
    let begun = PathBuf::from(arguments.next()?);
    let held = [held(criu)?, held(script)?];
    // The numbers were theirs when they were held: the script lives, and CRIU is its parent.
    if parent_id() != script {
        return None;
    }
    let mut ready = io::stdout();
    ready.write_all(b"y").and_then(|()| ready.flush()).ok()?;
    held.iter().for_each(wait_for_end);
    let group = group_in(&begun)?;
    thaw(&group);
    fs::remove_file(begun).ok()
}

fn held(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).ok()
}

fn wait_for_end(process: &OwnedFd) {
    // pidfd_open(2): readable once it has ended. A signal ends the poll, not the wait.
    while !matches!(poll(&mut [PollFd::new(process, PollFlags::IN)], None), Ok(1..)) {}
}

/// Whether all of `group` stands still before the `limit`.
fn freeze_within(group: &Path, limit: Duration) -> io::Result<bool> {
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
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout))?;
    }
}

fn thaw(group: &Path) {
    if is_state(group, "1") {
        // Of a group that is gone meanwhile nothing is frozen.
        let _ = fs::write(group.join("cgroup.freeze"), "0");
    }
}

fn is_state(group: &Path, state: &str) -> bool {
    fs::read_to_string(group.join("cgroup.freeze")).is_ok_and(|text| text.trim() == state)
}
