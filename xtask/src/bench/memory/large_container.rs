//! The container with much memory.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bench::Container;

/// `dd` has read all of its one block when it waits for the reader, which never reads.
fn script(mebibytes: u64) -> String {
    format!("dd if=/dev/urandom bs={mebibytes}M count=1 iflag=fullblock | while :; do sleep 1; done")
}

const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct LargeContainer {
    pub(super) container: Container,
    mebibytes: u64,
}

impl LargeContainer {
    pub(super) fn new(name: &str, mebibytes: u64) -> Self {
        Self { container: Container::named(name), mebibytes }
    }

    /// Starts it, and waits until the memory is there.
    pub(super) fn start(&self, runtime: Option<&str>) -> Result<()> {
        self.container.start_script(runtime, &script(self.mebibytes))?;
        let limit = Instant::now() + PATIENCE;
        while self.resident_bytes()? < self.mebibytes << 20 {
            ensure!(Instant::now() < limit, "the memory did not fill within {} s", PATIENCE.as_secs());
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Fails unless it runs, with all of its memory.
    pub(super) fn check(&self) -> Result<()> {
        let (found, expected) = (self.resident_bytes()?, self.mebibytes << 20);
        ensure!(found >= expected, "{found} bytes of memory came back, not {expected}");
        Ok(())
    }

    /// Memory of the largest process, see proc_pid_status(5).
    fn resident_bytes(&self) -> Result<u64> {
        let first = self.container.inspect("State.Pid")?;
        if first == "0" {
            bail!("the container does not run");
        }
        let children = format!("/proc/{first}/task/{first}/children");
        let children = fs::read_to_string(&children).with_context(|| format!("cannot read {children}"))?;
        // A process that has ended meanwhile has none.
        let resident = |pid: &str| resident_bytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?);
        Ok(children.split_whitespace().filter_map(resident).max().unwrap_or(0))
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_bytes("Name:\tdd\nVmHWM:\t  9 kB\nVmRSS:\t     8 kB\n"), Some(8192));
        assert_eq!(resident_bytes("Name:\tzombie\n"), None);
    }
}
