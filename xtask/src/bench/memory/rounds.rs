//! The measurements, inside the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::contender::Contender;
use super::large_container::LargeContainer;
use super::results::{MemoryResults, Round, Sample};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Disk, Interrupt, measure, run_program};

/// On podman's file system: elsewhere nothing could be cloned.
const FOLDER: &str = "/var/lib/containers/bench";

const NAME: &str = "bench-memory";

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<MemoryResults> {
    let bench = Bench::new(workload)?;
    let results = bench.results();
    let removed = bench.remove();
    let results = results?;
    removed?;
    Ok(results)
}

struct Bench<'w> {
    workload: &'w Workload,
    folder: PathBuf,
    disk: Disk,
    large: LargeContainer,
    interrupt: Interrupt,
}

impl<'w> Bench<'w> {
    fn new(workload: &'w Workload) -> Result<Self> {
        fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
        let large = LargeContainer::new(NAME, workload.mebibytes);
        let disk = Disk::of(Path::new(FOLDER))?;
        Ok(Self { workload, folder: FOLDER.into(), disk, large, interrupt: Interrupt::listen()? })
    }

    fn results(&self) -> Result<MemoryResults> {
        let machine = Machine::look()?;
        self.large.start(self.workload.runtime.as_deref())?;
        let runtime = self.large.container.inspect("OCIRuntime")?;
        // The first dump makes a sparse image file grow; no contender should pay for that.
        self.write()?;
        let (mut rounds, mut write_us) = (Vec::new(), Vec::new());
        for number in 0..self.workload.rounds.max(self.workload.podman_rounds) {
            for contender in self.contenders(number) {
                self.interrupt.check()?;
                let round = self.round(contender).with_context(|| format!("round {number} of {contender:?}"))?;
                show(number, &round);
                rounds.push(round);
            }
            write_us.push(self.write()?);
        }
        Ok(MemoryResults { machine, runtime, rounds, write_us })
    }

    /// Who takes part in this round, each time beginning with another.
    fn contenders(&self, number: u32) -> Vec<Contender> {
        let mut contenders = Contender::ALL;
        contenders.rotate_left(number as usize % Contender::ALL.len());
        let rounds = |contender| match contender {
            Contender::Podman => self.workload.podman_rounds,
            _ => self.workload.rounds,
        };
        contenders.into_iter().filter(|&contender| number < rounds(contender)).collect()
    }

    /// Warm is what the checkpoint leaves in the page cache, cold is an empty one.
    fn round(&self, contender: Contender) -> Result<Round> {
        let archive = self.folder.join("archive.tar");
        self.disk.used_when_idle()?;
        let checkpoint = sample(&mut contender.checkpoint(NAME, &archive))?;
        if contender == Contender::Cloned {
            self.clone_images()?;
        }
        let restore = |is_cold| {
            if contender.restores_anew() {
                self.large.container.remove()?;
            }
            self.disk.used_when_idle()?;
            if is_cold {
                drop_caches()?;
            }
            let restored = sample(&mut contender.restore(NAME, &archive))?;
            self.large.check()?;
            Ok::<_, anyhow::Error>(restored)
        };
        let warm = restore(false)?;
        run_program(Command::new("podman").args(["stop", "--time=0", NAME]))?;
        let cold = restore(true)?;
        let mut read_us = None;
        if contender.restores_anew() {
            read_us = Some(self.read(&archive)?);
            fs::remove_file(&archive).context("cannot remove the archive")?;
        }
        Ok(Round { contender, checkpoint, warm, cold, read_us })
    }

    fn clone_images(&self) -> Result<()> {
        let configuration = PathBuf::from(self.large.container.inspect("OCIConfigPath")?);
        let folder = configuration.with_file_name("checkpoint");
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let image = entry?.path();
            let clone = image.with_extension("clone");
            run_program(Command::new("cp").arg("--reflink=always").args([&image, &clone]))?;
            fs::rename(&clone, &image).with_context(|| format!("cannot rename {}", clone.display()))?;
        }
        Ok(())
    }

    /// The archive read from the disk, the least that a restore from it can take.
    fn read(&self, archive: &Path) -> Result<u64> {
        self.disk.used_when_idle()?;
        drop_caches()?;
        timed(Command::new("dd").args(["of=/dev/null", "bs=1M"]).arg(format!("if={}", archive.display())))
    }

    /// As many bytes written to the same file system and synced, the least that a durable archive can take.
    fn write(&self) -> Result<u64> {
        self.disk.used_when_idle()?;
        let path = self.folder.join("written");
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", "bs=1M", "conv=fsync"]).arg(format!("count={}", self.workload.mebibytes));
        dd.arg(format!("of={}", path.display()));
        let elapsed_us = timed(&mut dd)?;
        fs::remove_file(&path).context("cannot remove what was written")?;
        Ok(elapsed_us)
    }

    fn remove(&self) -> Result<()> {
        self.large.container.remove()?;
        fs::remove_dir_all(&self.folder).context("cannot remove the benchmark's folder")
    }
}

fn drop_caches() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop the caches")
}

/// Whole process, in µs.
fn timed(command: &mut Command) -> Result<u64> {
    let started = Instant::now();
    run_program(command)?;
    Ok(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))
}

fn sample(command: &mut Command) -> Result<Sample> {
    let measured = measure(command)?;
    let stats: Value = serde_json::from_str(&measured.stdout).context("the statistics are no JSON")?;
    let number = |pointer: &str| stats.pointer(pointer).and_then(Value::as_u64);
    let criu = |field: &str| number(&format!("/container_statistics/0/criu_statistics/{field}"));
    Ok(Sample {
        elapsed_us: measured.elapsed_us(),
        criu_us: criu("memdump_time").or_else(|| criu("restore_time")),
        frozen_us: criu("frozen_time"),
        peak_memory_bytes: measured.peak_memory_bytes,
    })
}

fn show(number: u32, round: &Round) {
    let seconds = |sample: &Sample| sample.elapsed_us as f64 / 1e6;
    let (checkpoint, warm, cold) = (seconds(&round.checkpoint), seconds(&round.warm), seconds(&round.cold));
    let title = round.contender.title();
    eprintln!("  round {}, {title:32} {checkpoint:8.3} s, restore {warm:8.3} s warm {cold:8.3} s cold", number + 1);
}
