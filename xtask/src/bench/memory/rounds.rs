//! The measurements, inside the lab.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use super::contender::Contender;
use super::crius_server::CriusServer;
use super::large_container::LargeContainer;
use super::processes;
use super::results::{Cache, Dumped, FLOOR_MEBIBYTES, Group, MemoryResults, Restored, Round};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Disk, Interrupt, free_memory, measure, run_program};

/// On podman's file system: elsewhere nothing could be cloned.
const FOLDER: &str = "/var/lib/containers/bench";

const NAME: &str = "bench-memory";

/// Memory that a command takes beside the container's, in bytes.
const BESIDE: u64 = 1 << 30;

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<MemoryResults> {
    let (machine, interrupt) = (Machine::look()?, Interrupt::listen()?);
    let mut groups = Vec::new();
    for runtime in &workload.runtime {
        for &mebibytes in [FLOOR_MEBIBYTES].iter().chain(&workload.mebibytes) {
            let bench = Bench::new(workload, runtime, mebibytes, &interrupt)?;
            let rounds = bench.rounds();
            let removed = bench.remove();
            groups.push(Group { mebibytes, runtime: runtime.clone(), rounds: rounds? });
            removed?;
        }
    }
    Ok(MemoryResults { machine, groups })
}

struct Bench<'w> {
    workload: &'w Workload,
    runtime: &'w str,
    mebibytes: u64,
    archive: PathBuf,
    disk: Disk,
    large: LargeContainer,
    interrupt: &'w Interrupt,
}

impl<'w> Bench<'w> {
    fn new(workload: &'w Workload, runtime: &'w str, mebibytes: u64, interrupt: &'w Interrupt) -> Result<Self> {
        let folder = Path::new(FOLDER);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {FOLDER}"))?;
        let large = LargeContainer::new(NAME, mebibytes, &folder.join("answers"));
        let (disk, archive) = (Disk::of(folder)?, folder.join("archive.tar"));
        Ok(Self { workload, runtime, mebibytes, archive, disk, large, interrupt })
    }

    fn rounds(&self) -> Result<Vec<Round>> {
        self.large.start(self.runtime)?;
        // The first dump makes a sparse image file grow; no contender should pay for that.
        self.write()?;
        let mut rounds = Vec::new();
        let Workload { rounds: most, criu_rounds, podman_rounds, .. } = *self.workload;
        for number in 0..most.max(criu_rounds).max(podman_rounds) {
            for contender in self.contenders(number) {
                self.interrupt.check()?;
                let round = self.round(contender).with_context(|| format!("round {number} of {contender:?}"))?;
                self.show(number, &round);
                rounds.push(round);
            }
        }
        Ok(rounds)
    }

    /// Who takes part in this round, each time beginning with another.
    fn contenders(&self, number: u32) -> Vec<Contender> {
        let mut contenders = Contender::ALL;
        contenders.rotate_left(number as usize % Contender::ALL.len());
        let rounds = |contender| match contender {
            Contender::CriusServer => self.workload.criu_rounds,
            // It takes part in the floor.
            Contender::Podman if self.mebibytes == FLOOR_MEBIBYTES => self.workload.rounds,
            Contender::Podman => self.workload.podman_rounds,
            _ => self.workload.rounds,
        };
        let takes_part = |contender: &Contender| number < rounds(*contender) && contender.works_with(self.runtime);
        contenders.into_iter().filter(takes_part).collect()
    }

    fn round(&self, contender: Contender) -> Result<Round> {
        self.disk.used_when_idle()?;
        self.touch_free_memory()?;
        let checkpoint = dumped(&mut contender.checkpoint(NAME, &self.archive))?;
        let warm = self.restored(contender, Cache::Warm)?;
        if !contender.restores_anew() {
            run_program(Command::new("podman").args(["stop", "--time=0", NAME]))?;
        }
        let cold = self.restored(contender, Cache::Cold)?;
        if contender.restores_anew() {
            fs::remove_file(&self.archive).context("cannot remove the archive")?;
        }
        Ok(Round { contender, checkpoint, warm, cold })
    }

    fn restored(&self, contender: Contender, cache: Cache) -> Result<Restored> {
        let images = match contender.restores_anew() {
            true => self.archive.clone(),
            false => self.large.images()?,
        };
        if contender.restores_anew() {
            self.large.container.remove()?;
        }
        self.disk.used_when_idle()?;
        let prepare = || {
            match cache {
                Cache::Warm => read(&images).map(drop),
                Cache::Cold => drop_caches(),
            }?;
            self.touch_free_memory()
        };
        let (mut read_us, mut limit_us) = (None, None);
        if contender.server().is_some() {
            prepare()?;
            read_us = Some(read(&images)?);
        }
        if contender == Contender::Lazy {
            prepare()?;
            limit_us = Some(self.read_and_put(&images)?);
        }
        prepare()?;
        let server = (contender == Contender::CriusServer).then(|| CriusServer::start(&images)).transpose()?;
        let mut restored = self.timed_restore(contender)?;
        server.map_or(Ok(()), CriusServer::end)?;
        (restored.read_us, restored.limit_us) = (read_us, limit_us);
        Ok(restored)
    }

    /// What a restore takes: the memory itself, and the pages of a file that holds it.
    fn touch_free_memory(&self) -> Result<()> {
        free_memory::touch(((2 * self.mebibytes) << 20) + BESIDE)
    }

    /// In µs, without what its memory costs before and after.
    fn read_and_put(&self, archive: &Path) -> Result<u64> {
        let said = measure(Command::new(&self.workload.page_loop).arg(archive))?.stdout;
        said.trim().parse().with_context(|| format!("page-loop said {said:?}"))
    }

    fn timed_restore(&self, contender: Contender) -> Result<Restored> {
        let (listener, ended) = (self.large.listen()?, AtomicBool::new(false));
        let mut command = contender.restore(NAME, &self.archive);
        let started = Instant::now();
        let since_started = |at: Instant| u64::try_from((at - started).as_micros()).unwrap_or(u64::MAX);
        thread::scope(|scope| {
            // All of it may be there before the command ends.
            let seen = scope.spawn(|| {
                let answered = listener.answered()?;
                self.large.wait_for_memory().map(|()| (answered, Instant::now()))
            });
            let memory = contender.server().map(|name| scope.spawn(|| processes::peak(name, &ended)));
            let measured = measure(&mut command);
            let seen = seen.join().expect("the listener does not panic");
            ended.store(true, Ordering::SeqCst);
            let server_memory_bytes = memory.map_or(0, |peak| peak.join().expect("the sampler does not panic"));
            let (measured, (answered, complete)) = (measured?, seen?);
            Ok(Restored {
                returned_us: measured.elapsed_us(),
                answered_us: since_started(answered),
                complete_us: since_started(complete),
                peak_memory_bytes: measured.peak_memory_bytes,
                server_memory_bytes,
                read_us: None,
                limit_us: None,
            })
        })
    }

    /// As many bytes written to the same file system and synced.
    fn write(&self) -> Result<()> {
        let path = self.archive.with_file_name("written");
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", "bs=1M", "conv=fsync"]).arg(format!("count={}", self.mebibytes));
        run_program(dd.arg(format!("of={}", path.display())))?;
        fs::remove_file(&path).context("cannot remove what was written")
    }

    fn show(&self, number: u32, round: &Round) {
        let seconds = |us: u64| us as f64 / 1e6;
        let restored = |restored: &Restored| {
            let Restored { returned_us, answered_us, complete_us, .. } = *restored;
            format!("{:.3} {:.3} {:.3}", seconds(returned_us), seconds(answered_us), seconds(complete_us))
        };
        eprintln!(
            "  {} MiB, {}, round {}, {:31} {:.3} s, restore warm {} cold {}",
            self.mebibytes,
            self.runtime,
            number + 1,
            round.contender.title(),
            seconds(round.checkpoint.elapsed_us),
            restored(&round.warm),
            restored(&round.cold)
        );
    }

    fn remove(&self) -> Result<()> {
        self.large.remove()?;
        fs::remove_dir_all(FOLDER).context("cannot remove the benchmark's folder")
    }
}

fn drop_caches() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop the caches")
}

/// By dd, a file or those of a folder that have pages; the whole process, in µs.
fn read(images: &Path) -> Result<u64> {
    let mut files = vec![images.to_owned()];
    if images.is_dir() {
        let entries = fs::read_dir(images).with_context(|| format!("cannot read {}", images.display()))?;
        let has_pages = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"pages-"));
        files = entries.flatten().map(|entry| entry.path()).filter(has_pages).collect();
    }
    let started = Instant::now();
    for file in files {
        run_program(Command::new("dd").args(["of=/dev/null", "bs=1M"]).arg(format!("if={}", file.display())))?;
    }
    Ok(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))
}

fn dumped(command: &mut Command) -> Result<Dumped> {
    let measured = measure(command)?;
    let stats: Value = serde_json::from_str(&measured.stdout).context("the statistics are no JSON")?;
    Ok(Dumped {
        elapsed_us: measured.elapsed_us(),
        criu_us: stats.pointer("/container_statistics/0/criu_statistics/memdump_time").and_then(Value::as_u64),
        peak_memory_bytes: measured.peak_memory_bytes,
    })
}
