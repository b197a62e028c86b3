//! Processes of the lab and their resident memory, see proc_pid_status(5).

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How often the memory is looked at.
const PERIOD: Duration = Duration::from_millis(2);

/// Waits until a process called `name` has `bytes` of memory.
pub(in crate::bench) fn wait_until_resident(name: &str, bytes: u64, patience: Duration) -> Result<()> {
    let limit = Instant::now() + patience;
    while of(name).max().unwrap_or(0) < bytes {
        ensure!(Instant::now() < limit, "{name} has not {bytes} bytes of memory after {} s", patience.as_secs());
        thread::sleep(PERIOD);
    }
    Ok(())
}

/// The most that all processes called `name` have together, until `ended` says so.
pub(super) fn peak(name: &str, ended: &AtomicBool) -> u64 {
    let mut highest = 0;
    while !ended.load(Ordering::SeqCst) {
        highest = highest.max(of(name).sum());
        thread::sleep(PERIOD);
    }
    highest
}

/// Resident bytes of each process called `name`.
fn of(name: &str) -> impl Iterator<Item = u64> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    // One that has ended meanwhile has none.
    processes.filter_map(move |entry| resident_bytes(&fs::read_to_string(entry.path().join("status")).ok()?, name))
}

fn resident_bytes(status: &str, name: &str) -> Option<u64> {
    let field = |field: &str| status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim);
    let kilobytes = field("VmRSS:").filter(|_| field("Name:") == Some(name))?.strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tdd\nVmHWM:\t  9 kB\nVmRSS:\t     8 kB\n";
        assert_eq!(resident_bytes(status, "dd"), Some(8192));
        assert_eq!(resident_bytes(status, "d"), None);
        assert_eq!(resident_bytes("Name:\tzombie\n", "zombie"), None);
    }
}
