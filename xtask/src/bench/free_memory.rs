//! Free memory, in one state for all that is measured.

use std::fs;
use std::hint::black_box;

use anyhow::{Context, Result};

/// What is left alone of the free memory: to take all of it empties the page cache. One of so many parts.
const LEFT: u64 = 8;

/// Writes to `bytes` of free memory, or to what there is, and gives it back.
///
/// The host of a virtual machine takes back what is free for some seconds (free page reporting, mm/page_reporting.c in the
/// kernel). Who needs it first waits for the host, and it looks as if the processor were at work: 4 GiB were read into the
/// page cache in 1.9 s, and after a restore of 4 GiB in 6.9 s, of which 6.9 s were system time.
pub(crate) fn touch(bytes: u64) -> Result<()> {
    let information = fs::read_to_string("/proc/meminfo").context("cannot ask for the free memory")?;
    let free = free_bytes(&information).context("the kernel does not tell the free memory")?;
    let most = free - free / LEFT;
    let bytes = usize::try_from(bytes.min(most)).context("more memory than addresses")?;
    drop(black_box(vec![1_u8; bytes]));
    Ok(())
}

/// See proc_meminfo(5).
fn free_bytes(information: &str) -> Option<u64> {
    let kilobytes = information.lines().find_map(|line| line.strip_prefix("MemFree:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_what_nobody_uses_not_even_as_a_cache() {
        let information = "MemTotal:       24683960 kB\nMemFree:            2000 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(free_bytes(information), Some(2_048_000));
        assert_eq!(free_bytes("MemTotal: 1 kB\n"), None);
        touch(1 << 20).unwrap();
    }
}
