//! How much can be written before writers have to wait for the disk.

use std::fs;

/// Bytes that may still become dirty before the kernel slows writers down: half-way between the threshold at which it
/// begins to write out and the one that it never lets them pass (`domain_dirty_limits`, `dirty_freerun_ceiling` in
/// mm/page-writeback.c). None where the kernel does not tell.
pub(super) fn headroom() -> Option<u64> {
    in_pages(&fs::read_to_string("/proc/vmstat").ok()?).map(|pages| pages * rustix::param::page_size() as u64)
}

fn in_pages(vmstat: &str) -> Option<u64> {
    let value = |name: &str| {
        let mut lines = vmstat.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name)?.1.parse::<u64>().ok()
    };
    let ceiling = (value("nr_dirty_threshold")? + value("nr_dirty_background_threshold")?) / 2;
    Some(ceiling.saturating_sub(value("nr_dirty")? + value("nr_writeback")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dirty_bytes_are_taken_off_the_headroom() {
        let vmstat = "nr_dirty 100\nnr_writeback 20\nnr_dirty_threshold 2000\nnr_dirty_background_threshold 1000\n";
        assert_eq!(in_pages(vmstat), Some(1380));
        assert_eq!(in_pages("nr_dirty 1\n"), None);
        assert!(headroom().is_some());
    }
}
