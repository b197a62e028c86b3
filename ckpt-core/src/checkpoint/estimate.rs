//! What has to be copied while the container stands still, and how long that will take: said beforehand.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use super::plan::CheckpointPlan;
use super::volume::Way;

/// Memory at /dev/shm is always copied; less than this is not worth a word, bytes.
const LITTLE_MEMORY: u64 = 64 << 20;

/// Written and synced to learn how fast the archive's disk is: enough to be more than the sync alone, and a fifth of a
/// second where a disk takes 80 MB/s.
const TRIAL: u64 = 16 << 20;
const CHUNK: usize = 1 << 20;

/// A copy that the container will wait for.
#[derive(Debug)]
pub(super) struct Copy {
    reasons: Vec<String>,
    bytes: u64,
    expected: Duration,
}

impl Copy {
    /// `None` where everything large can be cloned. Sizes and speed are of now: the container still runs.
    pub(super) fn expected(plan: &CheckpointPlan, ignore_rootfs: bool) -> io::Result<Option<Self>> {
        let (mut reasons, mut bytes) = (Vec::new(), 0);
        if !plan.can_clone {
            reasons.push("the container storage cannot clone into the archive (no reflink, as on BTRFS or XFS)".into());
            bytes += if ignore_rootfs { 0 } else { disk_bytes(&plan.layers.upperdir)? };
        }
        for volume in plan.volumes.iter().filter(|volume| matches!(volume.way, Way::Copy)) {
            if plan.can_clone {
                reasons.push(format!("the volume {} lies where nothing can be cloned", volume.name));
            }
            bytes += disk_bytes(&volume.source)?;
        }
        let memory = plan.shm.as_deref().map_or(Ok(0), disk_bytes)?;
        if memory > LITTLE_MEMORY {
            reasons.push("/dev/shm is memory".into());
        }
        if reasons.is_empty() {
            return Ok(None);
        }
        bytes += memory;
        let expected = time_to_write(plan.draft(), bytes)?;
        Ok(Some(Copy { reasons, bytes, expected }))
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (megabytes, seconds) = (self.bytes as f64 / 1e6, self.expected.as_secs_f64());
        write!(formatter, "{}: ", self.reasons.join("; "))?;
        write!(formatter, "{megabytes:.1} MB are copied while the container is frozen, some {seconds:.1} s")
    }
}

/// Space that the files below `folder` take, hard links once.
fn disk_bytes(folder: &Path) -> io::Result<u64> {
    let (mut bytes, mut seen, mut folders) = (0, HashSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // The container still runs, and removes what it likes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino())) {
                bytes += metadata.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}

/// As long as `bytes` take to be written and synced: copying, which does not wait for the disk, is as fast or faster.
fn time_to_write(draft: &File, bytes: u64) -> io::Result<Duration> {
    let trial = bytes.min(TRIAL);
    if trial == 0 {
        return Ok(Duration::ZERO);
    }
    // Not zeros: a file system may leave those out.
    let chunk: Vec<u8> = (0..CHUNK).map(|at| (at % 251) as u8).collect();
    let started = Instant::now();
    for offset in (0..trial).step_by(CHUNK) {
        draft.write_all_at(&chunk, offset)?;
    }
    draft.sync_data()?;
    let elapsed = started.elapsed();
    draft.set_len(0)?;
    Ok(elapsed.mul_f64(bytes as f64 / trial.next_multiple_of(CHUNK as u64) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_links_are_copied_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/one"), vec![1; 100_000]).unwrap();
        let bytes = disk_bytes(folder.path()).unwrap();
        fs::hard_link(folder.path().join("below/one"), folder.path().join("two")).unwrap();
        assert!(bytes >= 100_000);
        assert_eq!(disk_bytes(folder.path()).unwrap(), bytes);
        assert_eq!(disk_bytes(&folder.path().join("missing")).unwrap(), 0);
    }

    #[test]
    fn a_trial_leaves_the_draft_empty() {
        let draft = tempfile::tempfile().unwrap();
        let little = time_to_write(&draft, 5000).unwrap();
        assert!(little > Duration::ZERO && time_to_write(&draft, 0).unwrap().is_zero());
        assert_eq!(draft.metadata().unwrap().len(), 0);
    }

    #[test]
    fn the_copy_is_told_with_its_reasons() {
        let reasons = vec!["one".to_owned(), "two".to_owned()];
        let copy = Copy { reasons, bytes: 20_000_000, expected: Duration::from_millis(1250) };
        let text = "one; two: 20.0 MB are copied while the container is frozen, some 1.2 s";
        assert_eq!(copy.to_string(), text);
    }
}
