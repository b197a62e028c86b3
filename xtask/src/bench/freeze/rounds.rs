//! The measurements, inside the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::results::{Destination, FreezeResults, Sample};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Container, Disk, Interrupt, measure};

const NAME: &str = "bench-freeze";

/// On podman's file system.
const ON_STORAGE: &str = "/var/lib/containers/bench";
const ELSEWHERE: &str = "/mnt/ext4/bench";

const FILE_BYTES: u64 = 100_000_000;

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<FreezeResults> {
    for folder in [ON_STORAGE, ELSEWHERE] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {folder}"))?;
    }
    let container = Container::named(NAME);
    let results = measure_all(workload, &container);
    let removed = container.remove();
    for folder in [ON_STORAGE, ELSEWHERE] {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {folder}"))?;
    }
    let results = results?;
    removed?;
    Ok(results)
}

fn measure_all(workload: &Workload, container: &Container) -> Result<FreezeResults> {
    let (machine, interrupt, disk) = (Machine::look()?, Interrupt::listen()?, Disk::of(Path::new(ON_STORAGE))?);
    container.start(None)?;
    let mut samples = Vec::new();
    for files in [0, workload.files / 10, workload.files] {
        if files > 0 {
            container.fill(files, FILE_BYTES)?;
        }
        for number in 0..workload.rounds {
            for destination in Destination::ALL {
                interrupt.check()?;
                disk.used_when_idle()?;
                let sample =
                    checkpoint(files, destination).with_context(|| format!("{files} files, {destination:?}"))?;
                show(number, &sample);
                samples.push(sample);
            }
        }
    }
    Ok(FreezeResults { machine, samples })
}

fn checkpoint(files: u32, destination: Destination) -> Result<Sample> {
    let archive = PathBuf::from(match destination {
        Destination::SameFileSystem | Destination::Compressed => ON_STORAGE,
        Destination::Elsewhere => ELSEWHERE,
    });
    let archive = archive.join("archive.tar");
    let mut command = Command::new("ckpt");
    command.args(["checkpoint", "--leave-running", "--print-stats", NAME, "--export"]).arg(&archive);
    command.args(["--compress", if destination == Destination::Compressed { "zstd" } else { "none" }]);
    let measured = measure(&mut command)?;
    fs::remove_file(&archive).context("cannot remove the archive")?;
    let stats: Value = serde_json::from_str(&measured.stdout).context("the statistics are no JSON")?;
    let number = |field: &str| {
        let value = stats.pointer(&format!("/container_statistics/0/ckpt/{field}")).and_then(Value::as_u64);
        value.with_context(|| format!("the statistics have no {field}"))
    };
    Ok(Sample {
        files,
        destination,
        elapsed_us: measured.elapsed_us(),
        frozen_us: number("frozen_us")?,
        observed_frozen_us: number("observed_frozen_us")?,
        capture_us: number("capture_us")?,
        expected_capture_us: number("expected_capture_us")?,
        capture_copied_bytes: number("capture_copied_bytes")?,
    })
}

fn show(number: u32, sample: &Sample) {
    let Sample { files, destination, .. } = sample;
    let (elapsed, frozen) = (sample.elapsed_us as f64 / 1e6, sample.frozen_us as f64 / 1e3);
    eprintln!(
        "  round {}, {files:3} files, {:20} {elapsed:8.3} s, frozen {frozen:6.1} ms",
        number + 1,
        destination.title()
    );
}
