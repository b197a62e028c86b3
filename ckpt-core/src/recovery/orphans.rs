//! Children of a CRIU that was killed, which nobody else would end.
//!
//! They hold on to CRIU's end of the socket at which the runtime waits for it: the runtime waits for as long as they are
//! there, podman for the runtime, and we for podman.
//!
//! | CRIU was killed | the child | is known by |
//! |---|---|---|
//! | before it traced the child on which it tries the kernel[^1] | sleeps | a system call, nanosleep(2) or clock_nanosleep(2) |
//! | while it attached to it | is stopped, by ptrace(2)'s SIGSTOP | the same |
//! | afterwards | sleeps, since the kernel resumes what was traced | restart_syscall(2) |
//! | while it restored | waits for CRIU, as a task to be restored or a helper | CRIU's title, and a dead CRIU beside it[^2] |
//!
//! [^1]: `kerndat_has_ptrace_get_rseq_conf`, whenever CRIU starts: the child sleeps until CRIU kills it.
//! [^2]: CRIU makes them children of the runtime (`CLONE_PARENT`), which comes to wait for CRIU only after the socket.

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::time::{Duration, Instant};

use super::processes::{self, Stat};

/// Between two looks; longer than CRIU itself ever sleeps while it is at work.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

const SLEEPS: [c_long; 3] = [libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_restart_syscall];

/// Those that were seen.
#[derive(Default)]
pub(crate) struct Orphans {
    looked: Option<Instant>,
    /// With their `/proc/PID/status`, which says how often they have run.
    seen: BTreeMap<i32, Vec<u8>>,
}

impl Orphans {
    /// Kills those that `is_ours` tells and that have not run since the look before; looks no more often than each
    /// [`INTERVAL`]. Gives whether some are left to be looked at again.
    pub(crate) fn kill_idle(&mut self, is_ours: impl Fn(i32) -> bool) -> bool {
        let is_meant = |pid| is_orphan(pid) && is_ours(pid);
        if self.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL) {
            self.looked = Some(Instant::now());
            let found = processes::all().filter(|&pid| is_meant(pid)).map(|pid| (pid, processes::read(pid, "status")));
            let (idle, seen) = found.partition(|(pid, status)| self.seen.get(pid) == Some(status));
            self.seen = seen;
            BTreeMap::into_keys(idle).for_each(|pid| processes::kill(pid, is_meant));
        } else {
            self.seen.retain(|&pid, _| is_meant(pid));
        }
        !self.seen.is_empty()
    }
}

fn is_orphan(pid: i32) -> bool {
    processes::is_criu(pid)
        && Stat::of(pid).is_some_and(|stat| {
            let sleeps = || system_call(pid).is_some_and(|number| SLEEPS.contains(&number));
            !processes::is_criu(stat.parent) && (sleeps() || processes::is_restored(pid) && has_dead_criu(stat.parent))
        })
}

/// That it waits in, or was stopped in.
fn system_call(pid: i32) -> Option<c_long> {
    let line = String::from_utf8(processes::read(pid, "syscall")).ok()?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether `runtime` has a CRIU that is dead, and has not waited for it.
fn has_dead_criu(runtime: i32) -> bool {
    processes::all().filter_map(Stat::of).any(|stat| stat.is_dead && stat.name == "criu" && stat.parent == runtime)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::recovery::processes::wait_for_end_of;

    /// Runs a program as one that looks like CRIU in the session `folder`.
    fn criu(folder: &Path, program: &str, arguments: &[&str]) -> Child {
        let mut criu = Command::new(program);
        criu.arg0("criu").args(arguments).env("CONTAINERS_CONF", folder.join("containers.conf")).spawn().unwrap()
    }

    /// Kills them as those who wait for a runtime do.
    fn look_until(is_ours: impl Fn(i32) -> bool, mut done: impl FnMut() -> bool) {
        let mut orphans = Orphans::default();
        wait_until(|| {
            orphans.kill_idle(&is_ours);
            done()
        });
    }

    #[test]
    fn a_child_that_criu_left_asleep_is_killed() {
        // What ptrace(2) does to it: nothing yet, the stop, and its end.
        for signals in [&[][..], &[Signal::STOP], &[Signal::STOP, Signal::CONT]] {
            let folder = tempfile::tempdir().unwrap();
            let mut child = criu(folder.path(), "sleep", &["1000"]);
            let pid = Pid::from_child(&child);
            wait_until(|| is_orphan(pid.as_raw_nonzero().get()));
            for &signal in signals {
                kill_process(pid, signal).unwrap();
                wait_until(|| is_stopped(pid) == (signal == Signal::STOP));
            }
            assert!(wait_for_end_of(folder.path(), None), "{signals:?}");
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
    }

    fn wait_until(mut done: impl FnMut() -> bool) {
        assert!((0..6000).any(|_| done() || {
            sleep(Duration::from_millis(10));
            false
        }));
    }

    fn is_stopped(pid: Pid) -> bool {
        let status = processes::read(pid.as_raw_nonzero().get(), "status");
        status.windows(8).any(|window| window == b"State:\tT")
    }

    #[test]
    fn a_task_that_criu_did_not_finish_is_killed() {
        is_killed_below("runc restore", "criu: restore --rpc -D /89ab/userdata/checkpoint", "89ab");
    }

    #[test]
    fn a_task_is_known_by_its_runtime_as_well() {
        is_killed_below("runc restore --bundle /cdef/userdata", "criu: restore --rpc", "cdef");
    }

    /// The runtime: a shell that has become a program which waits for no child; CRIU dies only then, for the shell would
    /// take note of it. All end with the test.
    fn is_killed_below(runtime: &str, task: &str, id: &str) {
        let folder = tempfile::tempdir().unwrap();
        let criu = folder.path().join("criu");
        symlink("/bin/sh", &criu).unwrap();
        let crash = r#"until read name < /proc/$PPID/comm && [ $name = cat ]; do :; done; kill -KILL $$"#;
        let script = r#"exec 3<&0; (exec -a "$0" cat <&3) & "$1" -c "$2" & exec -a "$3" cat"#;
        let mut command = Command::new("bash");
        command.args(["-c", script, task]).arg(criu).args([crash, runtime]);
        let mut runtime = command.stdin(Stdio::piped()).spawn().unwrap();
        let is_ours = |pid| processes::is_criu_of(pid, id);
        let is_there = || processes::all().any(is_ours);
        wait_until(|| is_there() && has_dead_criu(runtime.id().cast_signed()));
        look_until(is_ours, || !is_there());
        drop(runtime.stdin.take());
        assert!(runtime.wait().unwrap().success());
    }

    #[test]
    fn one_whose_criu_is_still_there_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"(exec -a criu sleep 3) & wait; exit 7"#;
        let mut parent = criu(folder.path(), "bash", &["-c", script]);
        assert!(wait_for_end_of(folder.path(), None));
        assert_eq!(parent.wait().unwrap().code(), Some(7));
    }

    #[test]
    fn it_is_known_by_the_bundle_that_criu_works_in() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("0123/userdata");
        fs::create_dir_all(&bundle).unwrap();
        let mut child = Command::new("sleep").arg0("criu").arg("1000").current_dir(&bundle).spawn().unwrap();
        let begun = Instant::now();
        look_until(|pid| processes::is_criu_of(pid, "4567"), || begun.elapsed() > 3 * INTERVAL);
        assert!(child.try_wait().unwrap().is_none());
        look_until(|pid| processes::is_criu_of(pid, "0123"), || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn one_that_wakes_again_and_again_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = criu(folder.path(), "perl", &["-MTime::HiRes=sleep", "-e", "sleep 0.2 for 1..10"]);
        assert!(wait_for_end_of(folder.path(), None));
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
