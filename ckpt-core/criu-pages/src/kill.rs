//! Kills all processes of a restore, and waits until they are dead.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// How long is waited before looking again.
const PAUSE: Duration = Duration::from_millis(1);

/// Kills the processes behind `pidfds`, all that descend from them, and all in `cgroup` and below it.
///
/// It comes back when none is left: a process to which SIGKILL was sent may run for a moment still, and must not while
/// its memory is given up.
pub(crate) fn kill_all(cgroup: Option<&Path>, pidfds: &[BorrowedFd<'_>]) {
    // Those who lose their parents are nobody's children, so they are found before.
    let mut descendants = Vec::new();
    pidfds.iter().for_each(|pidfd| add_descendants(*pidfd, &mut descendants));
    loop {
        let known = descendants.len();
        for place in 0..known {
            let mut more = Vec::new();
            add_descendants(descendants[place].as_fd(), &mut more);
            descendants.extend(more);
        }
        let family = || pidfds.iter().copied().chain(descendants.iter().map(AsFd::as_fd));
        for pidfd in family() {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
        let in_groups = cgroup.map_or(0, kill_group);
        if in_groups == 0 && family().all(has_ended) {
            return;
        }
        thread::sleep(PAUSE);
        descendants.retain(|pidfd| !has_ended(pidfd.as_fd()));
    }
}

/// Only what was just read in a group.
fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Kills all in the group and those below it; gives how many there were.
fn kill_group(cgroup: &Path) -> usize {
    let groups = groups_below(cgroup);
    let pids: Vec<i32> = groups.iter().flat_map(|group| numbers(&group.join("cgroup.procs"))).collect();
    if pids.is_empty() {
        return 0;
    }
    // Since Linux 5.14, and with cgroups of version 2.
    if fs::write(cgroup.join("cgroup.kill"), "1").is_err() {
        pids.iter().copied().for_each(kill);
        // In version 1 the frozen do not even die.
        let thaw = |group: &PathBuf| fs::write(group.join("freezer.state"), "THAWED");
        groups.iter().for_each(|group| drop(thaw(group)));
    }
    pids.len()
}

fn groups_below(cgroup: &Path) -> Vec<PathBuf> {
    let mut groups = vec![cgroup.to_owned()];
    let mut at = 0;
    while let Some(group) = groups.get(at) {
        let entries = fs::read_dir(group).into_iter().flatten().flatten();
        let below: Vec<PathBuf> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        groups.extend(below);
        at += 1;
    }
    groups
}

fn numbers(file: &Path) -> Vec<i32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).filter(|&pid| pid > 1).collect()
}

/// `children` of proc(5) is there wherever CRIU works.
fn add_descendants(parent: BorrowedFd<'_>, found: &mut Vec<OwnedFd>) {
    let Some(pid) = pid_of(parent) else { return };
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        for child in numbers(&thread.path().join("children")) {
            let pidfd = Pid::from_raw(child).and_then(|child| pidfd_open(child, PidfdFlags::empty()).ok());
            // An ID may be another process's by now; not if it is a child of one that has not ended.
            if let Some(pidfd) = pidfd.filter(|_| is_child(child, pid) && !has_ended(parent)) {
                add_descendants(pidfd.as_fd(), found);
                found.push(pidfd);
            }
        }
    }
}

/// `pid (name) state parent`, proc(5).
fn is_child(pid: i32, parent: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    fields.split(' ').nth(1).and_then(|number| number.parse().ok()) == Some(parent)
}

/// Whether all threads of the process have ended.
pub(crate) fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    ends_within(pidfd, Duration::ZERO)
}

fn ends_within(pidfd: BorrowedFd<'_>, time: Duration) -> bool {
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
    poll(&mut fds, Some(&time)).is_ok_and(|count| count > 0)
}

/// Leaves the process some time to end by itself, and no more.
pub(crate) fn end_within(pidfd: BorrowedFd<'_>, time: Duration) {
    if !ends_within(pidfd, time) {
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}

/// The process's ID, while it is there (`Pid:` in its fdinfo, pidfd_open(2)).
fn pid_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|&pid| pid > 1)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn processes_and_what_they_started_are_dead_afterwards() -> anyhow::Result<()> {
        let script = "sleep 1000 & sh -c 'sleep 1000 & wait' & echo; wait";
        let mut shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn()?;
        std::io::Read::read_exact(&mut shell.stdout.take().expect("a pipe"), &mut [0])?;
        let pidfd = pidfd_open(Pid::from_child(&shell), PidfdFlags::empty())?;
        let mut descendants = Vec::new();
        add_descendants(pidfd.as_fd(), &mut descendants);
        assert!(descendants.len() >= 2, "{descendants:?}");
        kill_all(None, &[pidfd.as_fd()]);
        assert!(has_ended(pidfd.as_fd()));
        assert!(descendants.iter().all(|pidfd| has_ended(pidfd.as_fd())));
        shell.wait()?;
        Ok(())
    }
}
