//! Children of a CRIU that was killed, which nobody else would end.
//!
//! They hold on to CRIU's end of the socket at which the runtime waits for it: the runtime waits for as long as they are
//! there, podman for the runtime, and we for podman.
//!
//! | CRIU was killed | the child | is known by |
//! |---|---|---|
//! | while it tried the kernel[^1] | sleeps, or is stopped | CRIU's title, and that it was forked by CRIU |
//! | while it restored | waits for CRIU, as a task to be restored or a helper | the same |
//!
//! They are orphans if no CRIU lives any more that was executed, and not forked, for the same work. One that is starved,
//! stopped or asleep lives.
//!
//! [^1]: `kerndat_has_ptrace_get_rseq_conf`, whenever CRIU starts: the child sleeps until CRIU kills it.

use std::time::{Duration, Instant};

use super::processes::{self, Stat};

/// Between two looks: a look is at all processes.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Looks again and again.
#[derive(Default)]
pub(crate) struct Orphans {
    looked: Option<Instant>,
}

impl Orphans {
    /// Kills those that `is_ours` tells, no more often than each [`INTERVAL`].
    pub(crate) fn kill(&mut self, is_ours: impl Fn(i32) -> bool) {
        if self.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL) {
            self.looked = Some(Instant::now());
            kill(is_ours);
        }
    }
}

/// Kills those that `is_ours` tells, of all that a CRIU is or forks; gives whether there were any.
pub(super) fn kill(is_ours: impl Fn(i32) -> bool) -> bool {
    let mut found = false;
    for pid in processes::all().filter(|&pid| is_ours(pid) && is_fork(pid)) {
        // Looked for after the fork: CRIU was there before it.
        if processes::all().any(|pid| is_ours(pid) && is_living_criu(pid)) {
            return false;
        }
        found = true;
        processes::kill(pid, |pid| is_ours(pid) && is_fork(pid));
    }
    found
}

fn is_fork(pid: i32) -> bool {
    processes::is_criu(pid) && Stat::of(pid).is_some_and(|stat| stat.is_fork && !stat.is_dead)
}

fn is_living_criu(pid: i32) -> bool {
    processes::is_criu(pid) && Stat::of(pid).is_some_and(|stat| !stat.is_fork && !stat.is_dead)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;

    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    use super::*;
    use crate::criu_hook;
    use crate::recovery::processes::{Work, wait_for_end_of};

    /// CRIU for the session `folder` as it forks a child, which `does` something else; gives both. They print their numbers.
    fn criu(folder: &Path, title: &str, does: &str) -> (Child, Pid) {
        fs::write(criu_hook::mark(folder), "").unwrap();
        let mark = File::open(criu_hook::mark(folder)).unwrap();
        let script = format!(
            r#"$| = 1; if (!($child = fork)) {{ {does} }} print "$child\n"; $0 = "{title}"; sleep 1000 while 1"#
        );
        let mut criu = Command::new("bash");
        criu.args(["-c", r#"exec -a "$0" perl -e "$1" 3<&0"#, title, &script]).stdin(mark).stdout(Stdio::piped());
        let mut criu = criu.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(criu.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (criu, Pid::from_raw(line.trim().parse().unwrap()).unwrap())
    }

    const DUMP: &str = "criu: dump --rpc";
    const SLEEP: &str = "sleep 1000 while 1";

    fn wait_until(mut done: impl FnMut() -> bool) {
        assert!((0..6000).any(|_| done() || {
            sleep(Duration::from_millis(10));
            false
        }));
    }

    fn lives(pid: Pid) -> bool {
        test_kill_process(pid).is_ok() && Stat::of(pid.as_raw_nonzero().get()).is_some_and(|stat| !stat.is_dead)
    }

    fn end(criu: &mut Child) {
        criu.kill().unwrap();
        criu.wait().unwrap();
    }

    #[test]
    fn a_child_that_a_dead_criu_left_is_killed() {
        // What ptrace(2) does to it: nothing yet, the stop, and its end.
        for signals in [&[][..], &[Signal::STOP], &[Signal::STOP, Signal::CONT]] {
            let folder = tempfile::tempdir().unwrap();
            let (mut criu, child) = criu(folder.path(), DUMP, SLEEP);
            end(&mut criu);
            signals.iter().for_each(|&signal| kill_process(child, signal).unwrap());
            assert!(wait_for_end_of(Work::Dump(folder.path()), None), "{signals:?}");
            wait_until(|| !lives(child));
        }
    }

    #[test]
    fn nothing_of_a_living_criu_is_killed_however_idle() {
        let folder = tempfile::tempdir().unwrap();
        let (mut criu, child) = criu(folder.path(), DUMP, SLEEP);
        let pid = Pid::from_child(&criu);
        let is_ours = |pid| Work::Dump(folder.path()).has_criu(pid, None);
        assert!(is_ours(pid.as_raw_nonzero().get()) && is_ours(child.as_raw_nonzero().get()));
        for signal in [Signal::STOP, Signal::CONT] {
            kill_process(pid, signal).unwrap();
            assert!(!kill(is_ours));
            assert!(lives(pid) && lives(child));
        }
        end(&mut criu);
        assert!(kill(is_ours));
        wait_until(|| !lives(child));
    }

    #[test]
    fn what_an_administrator_started_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        for title in ["criu", "criu page-server -d -D IMAGES", "criu: page-server", "criu lazy-pages"] {
            let title = title.replace("IMAGES", folder.path().to_str().unwrap());
            let (mut criu, child) = criu(folder.path(), &title, SLEEP);
            end(&mut criu);
            assert!(!kill(|pid| Work::Dump(folder.path()).has_criu(pid, Some(folder.path()))), "{title}");
            assert!(lives(child));
            kill_process(child, Signal::KILL).unwrap();
        }
    }

    #[test]
    fn the_orphans_of_another_session_are_left_to_it() {
        let [ours, theirs] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        fs::write(criu_hook::mark(ours.path()), "").unwrap();
        let (mut criu, child) = criu(theirs.path(), DUMP, SLEEP);
        end(&mut criu);
        assert!(!kill(|pid| Work::Dump(ours.path()).has_criu(pid, None)));
        assert!(lives(child));
        assert!(kill(|pid| Work::Dump(theirs.path()).has_criu(pid, None)));
    }

    #[test]
    fn who_only_names_a_session_does_not_keep_it_alive() {
        let folder = tempfile::tempdir().unwrap();
        let session = folder.path().join("session");
        let named = session.join("import").display().to_string();
        let script = r#"exec -a "$0" sleep 1000"#;
        let mut reader = Command::new("bash").args(["-c", script, &named]).spawn().unwrap();
        assert!(wait_for_end_of(Work::Dump(&session), None) && wait_for_end_of(Work::Restore(&session), None));
        end(&mut reader);
        // conmon has podman's environment for as long as the container lives.
        let path = session.join("bin").display().to_string();
        let mut conmon = Command::new("sleep").arg("1000").env("PATH_OF_SESSION", path).spawn().unwrap();
        assert!(wait_for_end_of(Work::Restore(&session), None));
        end(&mut conmon);
    }
}
