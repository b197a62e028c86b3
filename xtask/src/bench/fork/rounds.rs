//! The measurements, inside the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::contender::Contender;
use super::results::{ForkResults, Sample};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Container, Disk, Interrupt, measure, run_program};

/// With files, and without.
const LARGE: &str = "bench-fork";
const SMALL: &str = "bench-fork-empty";

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench";

const FILE_BYTES: u64 = 100_000_000;

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<ForkResults> {
    fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
    let most = workload.copies.iter().copied().max().unwrap_or_default();
    let originals = [LARGE, SMALL].map(Container::named);
    let results = measure_all(workload, &originals);
    let removed = remove_copies(most).and_then(|()| originals.iter().try_for_each(Container::remove));
    fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))?;
    let results = results?;
    removed?;
    Ok(results)
}

fn measure_all(workload: &Workload, [large, small]: &[Container; 2]) -> Result<ForkResults> {
    let (machine, interrupt, disk) = (Machine::look()?, Interrupt::listen()?, Disk::of(Path::new(FOLDER))?);
    let jobs = workload.jobs.unwrap_or(2 * u32::try_from(machine.cores).unwrap_or(1));
    large.start(Some(&workload.runtime))?;
    large.fill(workload.files, FILE_BYTES)?;
    small.start(Some(&workload.runtime))?;
    let bench = Bench { jobs, large: Path::new(FOLDER).join("large.tar"), small: Path::new(FOLDER).join("small.tar") };
    run_program(Command::new("ckpt").args(["checkpoint", "--leave-running", LARGE, "--export"]).arg(&bench.large))?;
    let mut podman = Command::new("podman");
    podman.args(["container", "checkpoint", "--leave-running", "--compress=none", SMALL, "--export"]);
    run_program(podman.arg(&bench.small))?;
    let mut samples = Vec::new();
    for &copies in &workload.copies {
        for number in 0..workload.rounds {
            let mut contenders = Contender::ALL;
            contenders.rotate_left(number as usize % Contender::ALL.len());
            for contender in contenders {
                interrupt.check()?;
                disk.used_when_idle()?;
                let sample = bench.copies(contender, copies).with_context(|| format!("{copies}, {contender:?}"))?;
                show(number, &sample);
                samples.push(sample);
                check(copies)?;
                remove_copies(copies)?;
            }
        }
    }
    Ok(ForkResults { machine, jobs, samples })
}

struct Bench {
    jobs: u32,
    large: PathBuf,
    small: PathBuf,
}

impl Bench {
    fn copies(&self, contender: Contender, copies: u32) -> Result<Sample> {
        let many = [format!("--count={copies}"), format!("--jobs={}", self.jobs), "--name=copy{n}".to_owned()];
        let started = Instant::now();
        let measured = match contender {
            Contender::Copies => Some(measure(self.ckpt().args(many))?),
            Contender::Eager => Some(measure(self.ckpt().arg("--lazy=never").args(many))?),
            Contender::Fork => Some(measure(Command::new("ckpt").args(["fork", LARGE]).args(many))?),
            Contender::OneByOne => {
                (1..=copies).try_for_each(|number| run_program(self.ckpt().arg(named(number))).map(drop))?;
                None
            }
            Contender::Podman => {
                self.podmans(copies)?;
                None
            }
        };
        let microseconds = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let elapsed = started.elapsed();
        Ok(Sample {
            contender,
            copies,
            elapsed_us: microseconds(measured.as_ref().map_or(elapsed, |measured| measured.elapsed)),
            first_us: measured.as_ref().and_then(|measured| measured.first_line).map(microseconds),
            peak_memory_bytes: measured.map_or(0, |measured| measured.peak_memory_bytes),
        })
    }

    fn ckpt(&self) -> Command {
        let mut ckpt = Command::new("ckpt");
        ckpt.args(["restore", "--import"]).arg(&self.large);
        ckpt
    }

    /// As many at a time as of ours.
    fn podmans(&self, copies: u32) -> Result<()> {
        let next = AtomicU32::new(1);
        let work = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > copies {
                    return Ok(());
                }
                let mut podman = Command::new("podman");
                podman.args(["container", "restore", "--ignore-rootfs", "--import"]).arg(&self.small);
                run_program(podman.arg(named(number)))?;
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
        })
    }
}

fn named(number: u32) -> String {
    format!("--name=copy{number}")
}

/// All copies run.
fn check(copies: u32) -> Result<()> {
    let listed = run_program(Command::new("podman").args(["ps", "--format={{.Names}}", "--filter=status=running"]))?;
    let running = listed.lines().filter(|name| name.starts_with("copy")).count();
    ensure!(running == copies as usize, "{running} of {copies} copies run");
    Ok(())
}

fn remove_copies(copies: u32) -> Result<()> {
    let names = (1..=copies).map(|number| format!("copy{number}"));
    run_program(Command::new("podman").args(["rm", "--force", "--ignore", "--time=0"]).args(names)).map(drop)
}

fn show(number: u32, sample: &Sample) {
    let Sample { contender, copies, elapsed_us, .. } = sample;
    let elapsed = *elapsed_us as f64 / 1e6;
    eprintln!("  round {}, {copies:2} copies, {:26} {elapsed:8.3} s", number + 1, contender.title());
}
