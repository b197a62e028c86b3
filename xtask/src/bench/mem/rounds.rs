//! The measurements, inside the lab.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::results::{MemResults, Sample};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::memory::wait_until_resident;
use crate::bench::{Container, Disk, Interrupt, measure, run_program};

const NAME: &str = "bench-mem";

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench";
const ARCHIVE: &str = "/var/lib/containers/bench/archive.tar";

/// Behind all other memory.
const SECRET: &str = "the-planted-secret";
/// As the shell of the container writes it, so that its own memory does not have it.
const SECRET_AS_WRITTEN: &str = r"the-plan\164ed-secret";

const PROGRAM: &str = "dd";
const PATIENCE: Duration = Duration::from_secs(300);

/// Has the memory in one block of `dd`, which waits for somebody who reads it.
fn script(mebibytes: u64) -> String {
    let random_bytes = (mebibytes << 20) - SECRET.len() as u64;
    format!(
        "mkfifo /fifo; exec 3<>/fifo
        {{ head -c {random_bytes} /dev/urandom; printf '{SECRET_AS_WRITTEN}'; }} |
            dd of=/fifo bs={mebibytes}M count=1 iflag=fullblock & wait"
    )
}

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<MemResults> {
    fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
    let container = Container::named(NAME);
    let made = checkpoint(&container, workload.mebibytes);
    let removed = container.remove();
    let results = made.and_then(|()| measure_all(workload));
    fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))?;
    removed?;
    results
}

fn checkpoint(container: &Container, mebibytes: u64) -> Result<()> {
    container.start_script(&[], &script(mebibytes))?;
    wait_until_resident(PROGRAM, mebibytes << 20, PATIENCE)?;
    run_program(Command::new("ckpt").args(["checkpoint", NAME, "--export", ARCHIVE])).map(drop)
}

fn measure_all(workload: &Workload) -> Result<MemResults> {
    let (machine, interrupt, disk) = (Machine::look()?, Interrupt::listen()?, Disk::of(Path::new(FOLDER))?);
    let mut samples = Vec::new();
    for number in 0..workload.rounds {
        for cold in [true, false] {
            interrupt.check()?;
            disk.used_when_idle()?;
            let sample = once(cold)?;
            let seconds = |time_us| time_us as f64 / 1e6;
            let (grep, ckpt) = (seconds(sample.grep_us), seconds(sample.ckpt_us));
            eprintln!("  round {}, {}: grep {grep:.3} s, ckpt {ckpt:.3} s", number + 1, sample.cache());
            samples.push(sample);
        }
    }
    Ok(MemResults { machine, samples })
}

fn once(cold: bool) -> Result<Sample> {
    set_cache(cold)?;
    let grep = measure(Command::new("grep").args(["-c", SECRET, ARCHIVE]))?;
    set_cache(cold)?;
    let ckpt = measure(Command::new("ckpt").args(["mem", ARCHIVE, "--search", SECRET]))?;
    ensure!(ckpt.stdout.lines().count() >= 1 && ckpt.stdout.contains(SECRET), "ckpt found {:?}", ckpt.stdout);
    Ok(Sample {
        cold,
        grep_us: grep.elapsed_us(),
        ckpt_us: ckpt.elapsed_us(),
        ckpt_cpu_us: ckpt.cpu_us(),
        memory_bytes: ckpt.peak_memory_bytes,
    })
}

/// Empties the page cache, or reads the archive into it.
fn set_cache(cold: bool) -> Result<()> {
    if cold {
        return fs::write("/proc/sys/vm/drop_caches", "3").context("cannot empty the page cache");
    }
    run_program(Command::new("dd").args([&format!("if={ARCHIVE}"), "of=/dev/null", "bs=1M", "status=none"])).map(drop)
}
