//! Children of a CRIU that was killed, which nobody else would end.
//!
//! They keep CRIU's end of the socket open at which the runtime waits. So the runtime waits for them, podman waits for
//! the runtime, and this program for podman.
//!
//! | CRIU was killed | the child | is known by |
//! |---|---|---|
//! | while it tried the kernel[^1] | sleeps, or is stopped | CRIU's title, and that it was forked by CRIU |
//! | while it restored | waits for CRIU, as a task to be restored or a helper | the same |
//!
//! They are orphans if no CRIU lives any more that was executed, and not forked, for the same work. One that is
//! starved, stopped or asleep lives.
//!
//! [^1]: `kerndat_has_ptrace_get_rseq_conf`, whenever CRIU starts: the child sleeps until CRIU kills it.

use std::time::{Duration, Instant};

use super::processes::is_criu;
use crate::host::processes::{self, Stat};

/// Between two looks: a look is at all processes.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Looks again and again.
pub(crate) struct Orphans {
    looked: Instant,
}

impl Orphans {
    /// Most runs are over before the first look.
    pub(crate) fn from_now_on() -> Self {
        Orphans { looked: Instant::now() }
    }

    /// Kills those that `is_ours` tells, no more often than each [`INTERVAL`].
    pub(crate) fn kill(&mut self, is_ours: impl Fn(i32) -> bool) {
        if self.looked.elapsed() >= INTERVAL {
            self.looked = Instant::now();
            kill(is_ours);
        }
    }
}

/// Kills those that `is_ours` tells, of all that a CRIU is or forks; gives whether there were any.
pub(crate) fn kill(is_ours: impl Fn(i32) -> bool) -> bool {
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
    is_criu(pid) && Stat::of(pid).is_some_and(|stat| stat.is_fork && !stat.is_dead)
}

fn is_living_criu(pid: i32) -> bool {
    is_criu(pid) && Stat::of(pid).is_some_and(|stat| !stat.is_fork && !stat.is_dead)
}
