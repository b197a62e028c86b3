//! Memory pages read ahead: the clone of an image has nothing in the page cache, and until CRIU reads it podman has a
//! container to set up.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{Advice, fadvise};

/// Smaller images are read in one go anyway.
const LARGE: u64 = 1 << 20;

/// The kernel returns once all of it is asked for; in steps, the end of this program need not wait for gigabytes.
const STEP: u64 = 16 << 20;

/// Begins to read the large images in `folder`, unless memory is short. Goes on by itself, and nothing depends on it.
pub(super) fn begin(folder: &Path) {
    let folder = folder.to_owned();
    thread::spawn(move || read_ahead(&folder));
}

fn read_ahead(folder: &Path) -> io::Result<()> {
    let images = large_images(folder)?;
    let bytes: u64 = images.iter().map(|(_, bytes)| bytes).sum();
    // The processes need as much again.
    if bytes > available_memory()? / 2 {
        return Ok(());
    }
    for (path, bytes) in images {
        let file = File::open(path)?;
        for offset in (0..bytes).step_by(STEP as usize) {
            fadvise(&file, offset, NonZeroU64::new(STEP), Advice::WillNeed)?;
        }
    }
    Ok(())
}

fn large_images(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut images = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.len() >= LARGE {
            images.push((entry.path(), metadata.len()));
        }
    }
    Ok(images)
}

/// `MemAvailable` of proc_meminfo(5), in bytes.
fn available_memory() -> io::Result<u64> {
    Ok(available_in(&fs::read_to_string("/proc/meminfo")?).unwrap_or(0))
}

fn available_in(meminfo: &str) -> Option<u64> {
    let kilobytes = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_images_are_read_ahead() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("core-1.img"), "small").unwrap();
        fs::write(folder.path().join("pages-1.img"), vec![1; LARGE as usize]).unwrap();
        assert_eq!(large_images(folder.path()).unwrap(), [(folder.path().join("pages-1.img"), LARGE)]);
        read_ahead(folder.path()).unwrap();
    }

    #[test]
    fn available_memory_is_in_bytes() {
        assert_eq!(available_in("MemTotal: 9 kB\nMemAvailable:    8 kB\n"), Some(8192));
        assert_eq!(available_in("MemTotal: 9 kB\n"), None);
        assert!(available_memory().unwrap() > 0);
    }
}
