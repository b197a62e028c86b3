//! The measurements, inside the lab.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::results::{Sample, ServeResults};
use super::way::Way;
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::measure::high_water_mark;
use crate::bench::{Container, Disk, Interrupt, measure, run_program};

const NAME: &str = "bench-serve";
const COPY: &str = "bench-serve-copy";

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench";
const ARCHIVE: &str = "/var/lib/containers/bench/archive.tar";
const NEW: &str = "/var/lib/containers/bench/new.tar";

const SOCKET: &str = "/run/ckpt/ckpt.sock";

const FILE_BYTES: u64 = 100_000_000;

/// How long the service may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<ServeResults> {
    fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
    let results = measure_all(workload);
    let removed = [NAME, COPY].map(|name| Container::named(name).remove());
    fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))?;
    let results = results?;
    removed.into_iter().collect::<Result<()>>()?;
    Ok(results)
}

fn measure_all(workload: &Workload) -> Result<ServeResults> {
    let (machine, interrupt, disk) = (Machine::look()?, Interrupt::listen()?, Disk::of(Path::new(FOLDER))?);
    let container = Container::named(NAME);
    container.start(None)?;
    container.fill(workload.files, FILE_BYTES)?;
    run_program(Command::new("ckpt").args(["checkpoint", "--leave-running", NAME, "--export", ARCHIVE]))?;
    let service = Service::begin()?;
    let mut samples = Vec::new();
    for number in 0..workload.rounds {
        for way in Way::ALL {
            interrupt.check()?;
            disk.used_when_idle()?;
            let sample = once(way, workload).with_context(|| way.title())?;
            eprintln!("  round {}, {:32} {:8.3} s", number + 1, way.title(), sample.elapsed_us as f64 / 1e6);
            samples.push(sample);
        }
    }
    Ok(ServeResults { machine, peak_memory_bytes: service.peak_memory_bytes()?, samples })
}

fn once(way: Way, workload: &Workload) -> Result<Sample> {
    // The archive is one that was cloned, and never read.
    fs::write("/proc/sys/vm/drop_caches", "3").context("cannot drop the caches")?;
    let mut bash = Command::new("bash");
    bash.args(["-eo", "pipefail", "-c", way.script(), "bash", SOCKET, NAME, COPY, ARCHIVE, NEW]);
    let measured = measure(&mut bash)?;
    if way.restores() {
        let copy = Container::named(COPY);
        copy.check(workload.files, FILE_BYTES)?;
        copy.remove()?;
    }
    if Path::new(NEW).exists() {
        fs::remove_file(NEW).context("cannot remove the archive")?;
    }
    Ok(Sample { way, elapsed_us: measured.elapsed_us() })
}

/// `ckpt serve`, ended with this value.
struct Service(Child);

impl Service {
    fn begin() -> Result<Self> {
        let mut command = Command::new("ckpt");
        command.args(["serve", SOCKET]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let service = Service(command.spawn().context("cannot start ckpt serve")?);
        let started = Instant::now();
        let ping = || run_program(Command::new("curl").args(["-sf", "--unix-socket", SOCKET, "http://d/_ping"]));
        while let Err(error) = ping() {
            if started.elapsed() > PATIENCE {
                bail!("ckpt serve does not answer: {error:#}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(service)
    }

    fn peak_memory_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        high_water_mark(&status).with_context(|| format!("{path} has no VmHWM"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
