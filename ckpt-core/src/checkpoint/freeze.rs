//! How long the container stands still, seen from outside.
//!
//! CRIU's `frozen_time` begins when all tasks have stopped, and leaves out how long it waited for that. Here it counts
//! from the moment the container is first seen standing to the last: its cgroup frozen (cgroup.events, "frozen 1"), or
//! its first process held by a tracer (proc_pid_stat(5), state `t`). In between CRIU lets processes run code of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A freeze is some 50 ms at least, and a look costs some 20 µs.
const PERIOD: Duration = Duration::from_millis(1);

/// Where cgroup v2 is mounted (cgroups(7)).
const CGROUPS: &str = "/sys/fs/cgroup";

/// A container under observation.
#[derive(Debug)]
pub(super) struct FreezeWatch {
    stop: Sender<()>,
    observer: JoinHandle<Option<Duration>>,
}

impl FreezeWatch {
    /// Begins to look at the container whose first process is `pid`.
    pub(super) fn begin(pid: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let observer = thread::spawn(move || {
            let container = Standing::new(pid);
            let mut seen: Option<(Instant, Instant)> = None;
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                if container.stands_still() {
                    let now = Instant::now();
                    seen = Some((seen.map_or(now, |(first, _)| first), now));
                }
            }
            seen.map(|(first, last)| last - first)
        });
        FreezeWatch { stop, observer }
    }

    /// From the first time it was seen standing to the last; `None` if it never was.
    pub(super) fn end(self) -> Option<Duration> {
        drop(self.stop);
        // It only looks; if it panicked, there is no figure.
        self.observer.join().unwrap_or_default()
    }
}

/// The files that say whether a container stands still.
struct Standing {
    stat: PathBuf,
    /// None without cgroup v2.
    events: Option<PathBuf>,
}

impl Standing {
    fn new(pid: u32) -> Self {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let events = group.map(|group| PathBuf::from(CGROUPS).join(group).join("cgroup.events"));
        Standing { stat: format!("/proc/{pid}/stat").into(), events: events.filter(|path| path.exists()) }
    }

    fn stands_still(&self) -> bool {
        let says = |path: &PathBuf, is_so: fn(&str) -> bool| fs::read_to_string(path).is_ok_and(|text| is_so(&text));
        says(&self.stat, is_traced) || self.events.as_ref().is_some_and(|events| says(events, is_frozen))
    }
}

fn is_frozen(events: &str) -> bool {
    events.lines().any(|line| line == "frozen 1")
}

/// The state comes behind the name, which is in parentheses and may hold any character.
fn is_traced(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_groups_and_traced_processes_are_recognised() {
        assert!(is_frozen("populated 1\nfrozen 1\n") && !is_frozen("populated 1\nfrozen 0\n"));
        assert!(is_traced("7 (a) t (b) t 1 7 7") && !is_traced("7 (a) t (b) S 1 7 7") && !is_traced(""));
    }

    #[test]
    fn a_running_process_is_never_seen_standing_still() {
        let watch = FreezeWatch::begin(std::process::id());
        thread::sleep(5 * PERIOD);
        assert_eq!(watch.end(), None);
    }
}
