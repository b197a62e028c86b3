//! CRIU at a halt: however late on a busy machine the rest of the test comes, the work is not done yet.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{run, wait_for};

/// Goes on when this is dropped.
pub(crate) struct HeldCriu(Vec<Pid>);

impl HeldCriu {
    /// Waits for one to be there. The lab has no others than those of this test.
    pub(crate) fn met() -> Self {
        Self::at("")
    }

    /// As [`HeldCriu::met`], once one is at what its title says, as `criu: dump`: before that, runtimes start others, which
    /// only tell what CRIU can.
    pub(crate) fn at(title: &str) -> Self {
        let is_at = |pid: &Pid| {
            let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            line.starts_with(title.as_bytes())
        };
        let patience = Instant::now() + Duration::from_secs(120);
        // Without a pause: a dump is over in a tenth of a second.
        loop {
            let found = processes();
            if found.iter().any(is_at) && signal(&found, Signal::STOP) > 0 {
                return HeldCriu(found);
            }
            assert!(Instant::now() < patience, "{title} was never met");
        }
    }
}

impl Drop for HeldCriu {
    fn drop(&mut self) {
        signal(&self.0, Signal::CONT);
    }
}

pub(crate) fn wait_for_criu_to_end() {
    wait_for("CRIU's end", || processes().is_empty().then_some(()));
}

fn processes() -> Vec<Pid> {
    let found = String::from_utf8(run("pidof", &["criu"]).stdout).unwrap();
    found.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// Gives how many were there to hear it.
fn signal(processes: &[Pid], signal: Signal) -> usize {
    processes.iter().filter(|&&pid| kill_process(pid, signal).is_ok()).count()
}
