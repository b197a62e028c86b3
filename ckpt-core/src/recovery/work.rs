//! Whether the programs that a run has started are still at work.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::criu::orphans;
use crate::criu::processes::{has_mark_of, is_criu, is_restored};
use crate::host::processes::{Stat, all, contains, contains_path, named, read, until};
use crate::host::waiting::Waiting;

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

/// Waits until nobody does any `work`. They all end by themselves when the run at the other end is dead, but for
/// [`orphans`], which are killed, with those of the container in `bundle`; gives whether they did.
///
/// # Errors
/// That the interrupt was raised.
pub(crate) fn wait_for_end_of(work: Work<'_>, bundle: Option<&Path>, waiting: &mut Waiting<'_>) -> io::Result<bool> {
    let who = || format!("{} of a run that has ended is still at work", named(all().find(|&pid| work.is_done_by(pid))));
    until(waiting, who, || !orphans::kill(|pid| work.has_criu(pid, bundle)) && !all().any(|pid| work.is_done_by(pid)))
}

fn has_environment_of(pid: i32, session: &Path) -> bool {
    contains(&read(pid, "environ"), &below(session))
}

fn below(folder: &Path) -> Vec<u8> {
    [folder.as_os_str().as_bytes(), b"/"].concat()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    use super::*;
    use crate::criu::orphans::kill;
    use crate::criu::real_criu;
    use crate::host::processes::Stat;
    use crate::progress::Silent;

    /// CRIU for the session `folder` as it forks a child, which `does` something else; gives both. They print their
    /// numbers.
    fn criu(folder: &Path, title: &str, does: &str) -> (Child, Pid) {
        fs::write(real_criu::mark(folder), "").unwrap();
        let mark = File::open(real_criu::mark(folder)).unwrap();
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

    fn ends(work: Work<'_>) -> bool {
        wait_for_end_of(work, None, &mut Waiting::new(None, &mut Silent)).unwrap()
    }

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
            assert!(ends(Work::Dump(folder.path())), "{signals:?}");
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
        fs::write(real_criu::mark(ours.path()), "").unwrap();
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
        assert!(ends(Work::Dump(&session)) && ends(Work::Restore(&session)));
        end(&mut reader);
        // conmon has podman's environment for as long as the container lives.
        let path = session.join("bin").display().to_string();
        let mut conmon = Command::new("sleep").arg("1000").env("PATH_OF_SESSION", path).spawn().unwrap();
        assert!(ends(Work::Restore(&session)));
        end(&mut conmon);
    }
}
