//! Children that CRIU left asleep when it was killed.
//!
//! CRIU tries the kernel's tracing on a child whenever it starts (`kerndat_has_ptrace_get_rseq_conf`). The child sleeps
//! until CRIU kills it: for good if CRIU was killed before. The runtime waits for as long, since the child holds on to
//! CRIU's end of their socket, podman waits for the runtime, and we for podman.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::processes;

/// Between two looks; longer than CRIU itself ever sleeps while it is at work.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Those that were seen.
#[derive(Default)]
pub(crate) struct Sleepers {
    looked: Option<Instant>,
    /// With their `/proc/PID/status`, which says how often they have run.
    asleep: BTreeMap<i32, Vec<u8>>,
}

impl Sleepers {
    /// Kills those among the CRIUs that `is_ours` tells which have not woken since the look before; looks no more often
    /// than each [`INTERVAL`].
    pub(crate) fn kill_forgotten(&mut self, is_ours: impl Fn(i32) -> bool) {
        if self.looked.is_some_and(|looked| looked.elapsed() < INTERVAL) {
            return;
        }
        self.looked = Some(Instant::now());
        let is_meant = |pid| is_asleep(pid) && is_ours(pid);
        let asleep = processes::all().filter(|&pid| is_meant(pid)).map(|pid| (pid, processes::read(pid, "status")));
        let asleep: BTreeMap<_, _> = asleep.collect();
        for (&pid, _) in asleep.iter().filter(|&(pid, status)| self.asleep.get(pid) == Some(status)) {
            processes::kill(pid, is_meant);
        }
        self.asleep = asleep;
    }
}

fn is_asleep(pid: i32) -> bool {
    processes::read(pid, "wchan") == b"hrtimer_nanosleep" && processes::is_criu(pid)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::Path;
    use std::process::{Child, Command};
    use std::thread::sleep;

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
        let folder = tempfile::tempdir().unwrap();
        let mut child = criu(folder.path(), "sleep", &["1000"]);
        assert!(wait_for_end_of(folder.path(), None));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
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
