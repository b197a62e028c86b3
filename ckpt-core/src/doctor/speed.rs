//! How long a checkpoint is to be expected to take, from a small trial in the storage.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use aligntar::{Alignment, ClonePolicy, Span, Transferred, transfer};

use super::finding::Finding;

/// Length of the trial's file, bytes: enough for a rate, little enough for the wait.
const LENGTH: u64 = 32 << 20;

/// CRIU's own part in a freeze of an ordinary container, by docs/measurements.md.
const CRIU: &str = "0.1 s";

/// Copies or clones a file of the storage; the data is what a container has just written, not yet on the disk.
pub(super) fn expected(folder: &Path) -> Finding {
    let check = "to expect, an estimate";
    match trial(folder) {
        Ok((moved, took)) if moved.copied_bytes == 0 => {
            let each = took.as_secs_f64() * 1e3;
            Finding::ok(check, format!("frozen for some {CRIU} and {each:.1} ms for each large file, however large"))
        }
        Ok((_, took)) => {
            let each = took.as_secs_f64() * (1_u64 << 30) as f64 / LENGTH as f64;
            let found = format!("frozen for some {CRIU} and {each:.1} s for each GiB of changed files");
            Finding::warning(check, found, "with reflink the size would not matter")
        }
        Err(error) => Finding::unknown(check, error.to_string(), "see to it that files can be made in the storage"),
    }
}

fn trial(folder: &Path) -> io::Result<(Transferred, Duration)> {
    let (source, target) = (tempfile::tempfile_in(folder)?, tempfile::tempfile_in(folder)?);
    let chunk = vec![1; 1 << 20];
    for offset in (0..LENGTH).step_by(chunk.len()) {
        source.write_all_at(&chunk, offset)?;
    }
    // A checkpoint starts this before the freeze.
    source.sync_data()?;
    let block = Alignment::of(&target).unwrap_or(Alignment::DEFAULT);
    let span = Span { source_offset: 0, target_offset: 0, length: LENGTH };
    let started = Instant::now();
    let moved = transfer(&source, &target, span, block, ClonePolicy::IfPossible).map_err(io::Error::other)?;
    Ok((moved, started.elapsed()))
}
