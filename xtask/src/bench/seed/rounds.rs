//! The measurements, inside the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::contender::Contender;
use super::results::{Round, Sample, SeedResults};
use super::workload::Workload;
use crate::bench::container::DATA;
use crate::bench::machine::Machine;
use crate::bench::{Container, Disk, Interrupt, measure};

/// On podman's file system: elsewhere nothing could be cloned.
const FOLDER: &str = "/var/lib/containers/bench";

const NAME: &str = "bench";
const CLONE: &str = "bench-clone";

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<SeedResults> {
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
    container: Container,
    clone: Container,
    interrupt: Interrupt,
}

impl<'w> Bench<'w> {
    fn new(workload: &'w Workload) -> Result<Self> {
        fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
        Ok(Self {
            workload,
            folder: FOLDER.into(),
            disk: Disk::of(Path::new(FOLDER))?,
            container: Container::named(NAME),
            clone: Container::named(CLONE),
            interrupt: Interrupt::listen()?,
        })
    }

    fn results(&self) -> Result<SeedResults> {
        let machine = Machine::look()?;
        self.container.start(self.workload.runtime.as_deref())?;
        self.container.fill(self.workload.files, self.workload.file_bytes())?;
        let (mut rounds, mut clone_limit_us) = (Vec::new(), Vec::new());
        for number in 0..self.workload.rounds.max(self.workload.podman_rounds) {
            for contender in self.contenders(number) {
                self.interrupt.check()?;
                let round = self.round(contender).with_context(|| format!("round {number} of {contender:?}"))?;
                show(number, &round);
                rounds.push(round);
            }
            if number < self.workload.rounds {
                clone_limit_us.push(self.clone_limit()?);
            }
        }
        Ok(SeedResults { machine, runtime: self.container.inspect("OCIRuntime")?, rounds, clone_limit_us })
    }

    /// Who takes part in this round, each time beginning with another.
    fn contenders(&self, number: u32) -> Vec<Contender> {
        let mut contenders = Contender::ALL;
        contenders.rotate_left(number as usize % Contender::ALL.len());
        let rounds = |contender: Contender| {
            if contender.is_podman() { self.workload.podman_rounds } else { self.workload.rounds }
        };
        contenders.into_iter().filter(|&contender| number < rounds(contender)).collect()
    }

    /// The container is stopped by the checkpoint, as podman does by default, and
    /// stands still during the restore of its clone; then it goes on in place.
    fn round(&self, contender: Contender) -> Result<Round> {
        let archive = self.folder.join("archive.tar");
        let checkpoint = self.sample(&mut contender.checkpoint(NAME, &archive))?;
        self.container.remove_left_archive()?;
        let restore = self.sample(&mut contender.restore(&archive, CLONE))?;
        // The floor brings no files.
        let files = if contender == Contender::Floor { 0 } else { self.workload.files };
        self.clone.check(files, self.workload.file_bytes())?;
        self.clone.remove()?;
        fs::remove_file(&archive).context("cannot remove the archive")?;
        self.container.restore_in_place()?;
        Ok(Round { contender, checkpoint, restore })
    }

    fn sample(&self, command: &mut Command) -> Result<Sample> {
        let before = self.disk.used_when_idle()?;
        let measured = measure(command)?;
        let after = self.disk.used_when_idle()?;
        let stats: Value = serde_json::from_str(&measured.stdout).context("the statistics are no JSON")?;
        let number = |pointer: &str| stats.pointer(pointer).and_then(Value::as_u64);
        Ok(Sample {
            elapsed_us: measured.elapsed_us(),
            files_us: number("/container_statistics/0/ckpt/capture_us")
                .or_else(|| number("/container_statistics/0/ckpt/place_us")),
            freezing_us: number("/container_statistics/0/criu_statistics/freezing_time"),
            frozen_us: number("/container_statistics/0/criu_statistics/frozen_time"),
            observed_frozen_us: number("/container_statistics/0/ckpt/observed_frozen_us"),
            peak_memory_bytes: measured.peak_memory_bytes,
            grown_bytes: after.cast_signed().wrapping_sub(before.cast_signed()),
            cloned_bytes: number("/container_statistics/0/ckpt/cloned_bytes"),
            copied_bytes: number("/container_statistics/0/ckpt/copied_bytes"),
        })
    }

    /// The least that any tool needs for these files: one clone of each.
    fn clone_limit(&self) -> Result<u64> {
        let (source, target) = (self.container.upperdir()?.join(DATA), self.folder.join("clones"));
        fs::create_dir(&target).context("cannot make a folder for clones")?;
        self.disk.used_when_idle()?;
        let mut cp = Command::new("cp");
        cp.arg("--reflink=always");
        cp.args((1..=self.workload.files).map(|number| source.join(format!("file{number}")))).arg(&target);
        let elapsed_us = measure(&mut cp)?.elapsed_us();
        fs::remove_dir_all(&target).context("cannot remove the clones")?;
        Ok(elapsed_us)
    }

    fn remove(&self) -> Result<()> {
        self.clone.remove()?;
        self.container.remove()?;
        fs::remove_dir_all(&self.folder).context("cannot remove the benchmark's folder")
    }
}

fn show(number: u32, round: &Round) {
    let seconds = |sample: &Sample| sample.elapsed_us as f64 / 1e6;
    let (checkpoint, restore) = (seconds(&round.checkpoint), seconds(&round.restore));
    eprintln!("  round {}, {:30} {checkpoint:8.3} s {restore:8.3} s", number + 1, round.contender.title());
}
