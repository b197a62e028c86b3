//! Children that CRIU left asleep when it was killed.
//!
//! CRIU tries the kernel's tracing on a child whenever it starts (`kerndat_has_ptrace_get_rseq_conf`). The child sleeps
//! until CRIU kills it: for good if CRIU was killed before. The runtime waits for as long, since the child holds on to
//! CRIU's end of their socket, podman waits for the runtime, and we for podman.
//!
//! | CRIU was killed | the child | its system call, see `/proc/PID/syscall` in proc(5) |
//! |---|---|---|
//! | before it attached to it | sleeps | nanosleep(2) or clock_nanosleep(2) |
//! | while it did | is stopped, by ptrace(2)'s SIGSTOP | the same |
//! | afterwards | sleeps, since the kernel resumes what is traced | restart_syscall(2) |

use std::collections::BTreeMap;
use std::ffi::c_long;
use std::time::{Duration, Instant};

use super::processes;

/// Between two looks; longer than CRIU itself ever sleeps while it is at work.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

const SLEEPS: [c_long; 3] = [libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_restart_syscall];

/// Those that were seen.
#[derive(Default)]
pub(crate) struct Sleepers {
    looked: Option<Instant>,
    /// With their `/proc/PID/status`, which says how often they have run.
    asleep: BTreeMap<i32, Vec<u8>>,
}

impl Sleepers {
    /// Kills those among the CRIUs that `is_ours` tells which have not woken since the look before; looks no more often
    /// than each [`INTERVAL`]. Gives whether some are left to be looked at again.
    pub(crate) fn kill_forgotten(&mut self, is_ours: impl Fn(i32) -> bool) -> bool {
        if self.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL) {
            self.looked = Some(Instant::now());
            let is_meant = |pid| is_asleep(pid) && is_ours(pid);
            let found = processes::all().filter(|&pid| is_meant(pid)).map(|pid| (pid, processes::read(pid, "status")));
            let (forgotten, asleep) = found.partition(|(pid, status)| self.asleep.get(pid) == Some(status));
            self.asleep = asleep;
            BTreeMap::into_keys(forgotten).for_each(|pid| processes::kill(pid, is_meant));
        }
        !self.asleep.is_empty()
    }
}

/// Whether it is a CRIU that sleeps, and no CRIU is there to kill it.
fn is_asleep(pid: i32) -> bool {
    processes::is_criu(pid)
        && system_call(pid).is_some_and(|number| SLEEPS.contains(&number))
        && !processes::parent(pid).is_some_and(processes::is_criu)
}

/// That it waits in, or was stopped in.
fn system_call(pid: i32) -> Option<c_long> {
    let line = String::from_utf8(processes::read(pid, "syscall")).ok()?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::Path;
    use std::process::{Child, Command};
    use std::thread::sleep;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::recovery::processes::wait_for_end_of;

    /// Runs a program as one that looks like CRIU in the session `folder`.
    fn criu(folder: &Path, program: &str, arguments: &[&str]) -> Child {
        let mut criu = Command::new(program);
        criu.arg0("criu").args(arguments).env("CONTAINERS_CONF", folder.join("containers.conf")).spawn().unwrap()
    }

    fn look_twice(is_ours: impl Fn(i32) -> bool) {
        let mut sleepers = Sleepers::default();
        sleepers.kill_forgotten(&is_ours);
        sleep(INTERVAL);
        sleepers.kill_forgotten(&is_ours);
    }

    #[test]
    fn a_child_that_criu_left_asleep_is_killed() {
        // What ptrace(2) does to it: nothing yet, the stop, and its end.
        for signals in [&[][..], &[Signal::STOP], &[Signal::STOP, Signal::CONT]] {
            let folder = tempfile::tempdir().unwrap();
            let mut child = criu(folder.path(), "sleep", &["1000"]);
            let pid = Pid::from_child(&child);
            wait_until(|| is_asleep(pid.as_raw_nonzero().get()));
            for &signal in signals {
                kill_process(pid, signal).unwrap();
                wait_until(|| is_stopped(pid) == (signal == Signal::STOP));
            }
            assert!(wait_for_end_of(folder.path(), None), "{signals:?}");
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
    }

    fn wait_until(done: impl Fn() -> bool) {
        assert!((0..1000).any(|_| done() || {
            sleep(Duration::from_millis(10));
            false
        }));
    }

    fn is_stopped(pid: Pid) -> bool {
        let status = processes::read(pid.as_raw_nonzero().get(), "status");
        status.windows(8).any(|window| window == b"State:\tT")
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
        look_twice(|pid| processes::is_criu_of(pid, "4567"));
        assert!(child.try_wait().unwrap().is_none());
        look_twice(|pid| processes::is_criu_of(pid, "0123"));
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
