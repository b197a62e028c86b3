//! The measurements, inside the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::results::{PassesResults, Podman, Sample};
use crate::bench::container::DATA;
use crate::bench::freeze::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Container, Disk, Interrupt, free_memory, measure, run_program};

const NAME: &str = "bench-passes";
const RESTORED: &str = "bench-passes-restored";

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench";

/// Memory that a command takes beside the files, in bytes.
const BESIDE: u64 = 1 << 30;

/// Files of each size.
const FILES: u32 = 100;

/// Writes one of the files anew, in place, for as long as the container runs; no block keeps its bytes.
const WRITE: &str = "
    i=0
    while :; do
        i=$((i+1)); echo $i > /dev/shm/counter
        if [ -e /data/file100 ]; then tail -c +$((2 + i % 4000)) /data/file2 1<>/data/file1; fi
        sleep 0.05
    done";

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<PassesResults> {
    fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
    let results = measure_all(workload);
    let removed = [NAME, RESTORED].map(|name| Container::named(name).remove());
    fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))?;
    let results = results?;
    removed.into_iter().collect::<Result<()>>()?;
    Ok(results)
}

fn measure_all(workload: &Workload) -> Result<PassesResults> {
    let (machine, interrupt, disk) = (Machine::look()?, Interrupt::listen()?, Disk::of(Path::new(FOLDER))?);
    Disk::break_in(Path::new(FOLDER))?;
    let (mut samples, mut podman) = (Vec::new(), Vec::new());
    for megabytes in [10, workload.megabytes() / 5, workload.megabytes()] {
        let container = Container::named(NAME);
        container.start_script(&[], WRITE)?;
        container.fill(FILES, megabytes * 1_000_000 / u64::from(FILES))?;
        for number in 0..workload.rounds() {
            for cold in [false, true] {
                interrupt.check()?;
                disk.used_when_idle()?;
                let sample = round(&container, number, megabytes, cold).with_context(|| format!("{megabytes} MB"))?;
                show(number, &sample);
                samples.push(sample);
            }
        }
        disk.used_when_idle()?;
        podman.push(Podman { megabytes, stopped_us: stopped_by_podman()? });
        container.remove()?;
    }
    Ok(PassesResults { machine, samples, podman })
}

fn round(container: &Container, number: u32, megabytes: u64, cold: bool) -> Result<Sample> {
    let archive = PathBuf::from(FOLDER).join("archive.tar");
    let files = container.upperdir()?.join(DATA);
    let copied = |sync| {
        set_memory(&files, cold, megabytes)?;
        copy(&files, sync)
    };
    let checkpoint = || {
        set_memory(&files, cold, megabytes)?;
        let mut checkpoint = Command::new("ckpt");
        checkpoint.args(["checkpoint", "--leave-running", "--print-stats", NAME, "--export"]).arg(&archive);
        measure(&mut checkpoint)
    };
    let (measured, copy_us) = in_turn(number, checkpoint, || copied(true))?;
    let restore = || {
        set_memory(&archive, cold, megabytes)?;
        let mut restore = Command::new("ckpt");
        let restored = measure(restore.args(["restore", "--name", RESTORED, "--import"]).arg(&archive))?;
        Container::named(RESTORED).remove()?;
        Ok(restored.elapsed_us())
    };
    let (restore_us, plain_copy_us) = in_turn(number, restore, || copied(false))?;
    fs::remove_file(&archive).context("cannot remove the archive")?;
    let stats: Value = serde_json::from_str(&measured.stdout).context("the statistics are no JSON")?;
    let field = |name: &str| {
        let value = stats.pointer(&format!("/container_statistics/0/ckpt/{name}")).and_then(Value::as_u64);
        value.with_context(|| format!("the statistics have no {name}"))
    };
    Ok(Sample {
        megabytes,
        cold,
        elapsed_us: measured.elapsed_us(),
        frozen_us: field("frozen_us")?,
        capture_us: field("capture_us")?,
        expected_capture_us: field("expected_capture_us")?,
        capture_copied_bytes: field("capture_copied_bytes")?,
        copy_us,
        restore_us,
        plain_copy_us,
    })
}

/// Both, in each round another one first: a disk that was written much is slower for a while.
fn in_turn<A, B>(number: u32, ours: impl FnOnce() -> Result<A>, theirs: impl FnOnce() -> Result<B>) -> Result<(A, B)> {
    if number.is_multiple_of(2) {
        let ours = ours()?;
        return Ok((ours, theirs()?));
    }
    let theirs = theirs()?;
    Ok((ours()?, theirs))
}

/// Writes everything out; then empties the page cache, or reads what is below `path` into it. The memory for so many
/// `megabytes`, and as many copies, is there.
fn set_memory(path: &Path, cold: bool, megabytes: u64) -> Result<()> {
    rustix::fs::sync();
    if cold {
        fs::write("/proc/sys/vm/drop_caches", "3").context("cannot empty the page cache")?;
    } else {
        let script = "find \"$1\" -type f -exec cat {} + > /dev/null";
        run_program(Command::new("sh").args(["-c", script, "read"]).arg(path))?;
    }
    free_memory::touch(2 * megabytes * 1_000_000 + BESIDE)
}

/// `cp -a`, synced as an archive is, or not.
fn copy(files: &Path, sync: bool) -> Result<u64> {
    let target = PathBuf::from(FOLDER).join("copy");
    let script = if sync { "cp -a \"$1\" \"$2\" && sync -f \"$2\"" } else { "cp -a \"$1\" \"$2\"" };
    let mut command = Command::new("sh");
    let elapsed = measure(command.args(["-c", script, "copy"]).args([files, &target]))?.elapsed_us();
    fs::remove_dir_all(&target).context("cannot remove the copy")?;
    rustix::fs::sync();
    Ok(elapsed)
}

/// The container is gone then.
fn stopped_by_podman() -> Result<u64> {
    let archive = PathBuf::from(FOLDER).join("podman.tar");
    let mut podman = Command::new("podman");
    podman.args(["container", "checkpoint", "--compress", "none", NAME, "--export"]).arg(&archive);
    let elapsed = measure(&mut podman)?.elapsed_us();
    fs::remove_file(&archive).context("cannot remove podman's archive")?;
    Ok(elapsed)
}

fn show(number: u32, sample: &Sample) {
    let Sample { megabytes, cold, elapsed_us, frozen_us, .. } = sample;
    let (elapsed, frozen, cache) =
        (*elapsed_us as f64 / 1e6, *frozen_us as f64 / 1e3, if *cold { "cold" } else { "warm" });
    eprintln!("  round {}, {megabytes:5} MB, {cache} {elapsed:8.3} s, frozen {frozen:6.1} ms", number + 1);
}
