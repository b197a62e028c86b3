//! Processes of the lab and their resident memory, see proc_pid_status(5).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How often the memory is looked at.
const PERIOD: Duration = Duration::from_millis(2);

/// How often all processes are looked through for new ones. At each look at the memory, that took up to a third of a
/// processor, away from what is measured.
const SEARCH_PERIOD: Duration = Duration::from_millis(50);

/// Waits until a process called `name` has `bytes` of memory.
pub(in crate::bench) fn wait_until_resident(name: &str, bytes: u64, patience: Duration) -> Result<()> {
    let (limit, mut processes) = (Instant::now() + patience, Processes::called(name));
    while processes.resident_bytes().max().unwrap_or(0) < bytes {
        ensure!(Instant::now() < limit, "{name} has not {bytes} bytes of memory after {} s", patience.as_secs());
        thread::sleep(PERIOD);
    }
    Ok(())
}

/// The most that all processes called `name` have together, until `ended` says so.
pub(super) fn peak(name: &str, ended: &AtomicBool) -> u64 {
    let (mut highest, mut processes) = (0, Processes::called(name));
    while !ended.load(Ordering::SeqCst) {
        highest = highest.max(processes.resident_bytes().sum());
        thread::sleep(PERIOD);
    }
    highest
}

/// Those of one name.
struct Processes<'n> {
    name: &'n str,
    /// Their `status` files, as of the last search.
    found: Vec<PathBuf>,
    searched: Option<Instant>,
}

impl<'n> Processes<'n> {
    fn called(name: &'n str) -> Self {
        Self { name, found: Vec::new(), searched: None }
    }

    /// Of each.
    fn resident_bytes(&mut self) -> impl Iterator<Item = u64> {
        if self.searched.is_none_or(|searched| searched.elapsed() >= SEARCH_PERIOD) {
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
            let status = processes.map(|entry| entry.path().join("status"));
            self.found = status.filter(|status| resident_bytes_at(status, self.name).is_some()).collect();
            self.searched = Some(Instant::now());
        }
        // One that has ended meanwhile has none.
        self.found.iter().filter_map(|status| resident_bytes_at(status, self.name))
    }
}

fn resident_bytes_at(status: &Path, name: &str) -> Option<u64> {
    resident_bytes(&fs::read_to_string(status).ok()?, name)
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
