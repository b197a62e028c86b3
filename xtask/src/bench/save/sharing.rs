//! How fast equal memory is shared, beside reading it, and beside the kernel alone.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bench::{measure, run_program};

/// Bytes that the kernel alone shares: enough for a rate.
const KERNELS: u64 = 1 << 30;

/// Of two archives in the page cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sharing {
    /// Both were only read.
    pub(super) read_us: u64,
    pub(super) dedup_us: u64,
    pub(super) matched_bytes: u64,
    pub(super) shared_bytes: u64,
    /// FIDEDUPERANGE (linux/fs.h) of all that `xfs_io` was given of a file and its copy.
    pub(super) kernel_us: u64,
    pub(super) kernel_bytes: u64,
}

/// Has `target`, which shares nothing with `source` yet, share what it can.
pub(super) fn measure_sharing(source: &Path, target: &Path) -> Result<Sharing> {
    let (kernel_us, kernel_bytes) = kernel(source)?;
    let read = || {
        let mut read = Command::new("sh");
        read.args(["-c", "for archive; do dd if=\"$archive\" of=/dev/null bs=1M status=none; done", "read"]);
        measure(read.arg(source).arg(target))
    };
    read()?;
    let read_us = read()?.elapsed_us();
    let dedup = measure(Command::new("ckpt").args(["dedup", "--format", "json"]).arg(source).arg(target))?;
    let report: Value = serde_json::from_str(&dedup.stdout).context("the report is no JSON")?;
    let number = |key: &str| report[0][key].as_u64().with_context(|| format!("the report has no {key}"));
    Ok(Sharing {
        read_us,
        dedup_us: dedup.elapsed_us(),
        matched_bytes: number("matched_bytes")?,
        shared_bytes: number("shared_bytes")?,
        kernel_us,
        kernel_bytes,
    })
}

/// Time and bytes of the kernel alone, with a copy of the beginning of `archive`.
fn kernel(archive: &Path) -> Result<(u64, u64)> {
    let copy = archive.with_extension("copy");
    let copied = || -> io::Result<u64> {
        let mut target = File::create(&copy)?;
        // Not by `io::copy` between files, which clones.
        let (mut source, mut chunk, mut bytes) = (File::open(archive)?.take(KERNELS), vec![0; 1 << 20], 0);
        loop {
            match source.read(&mut chunk)? {
                0 => break,
                read => {
                    io::Write::write_all(&mut target, &chunk[..read])?;
                    bytes += read as u64;
                }
            }
        }
        target.sync_all()?;
        Ok(bytes)
    };
    let bytes = copied().context("cannot copy the beginning of the archive")? / 4096 * 4096;
    let shared = format!("dedupe {} 0 0 {bytes}", archive.display());
    run_program(
        Command::new("dd").args(["of=/dev/null", "bs=1M", "status=none"]).arg(format!("if={}", copy.display())),
    )?;
    let measured = measure(Command::new("xfs_io").args(["-r", "-c", &shared]).arg(&copy))?;
    fs::remove_file(&copy).context("cannot remove the copy")?;
    Ok((measured.elapsed_us(), bytes))
}
