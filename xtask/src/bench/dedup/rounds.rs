//! The measurements, inside the lab.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::archives::Archives;
use super::results::{DedupResults, Round};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Disk, Interrupt, measure, run_program};

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench";

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<DedupResults> {
    let (machine, interrupt) = (Machine::look()?, Interrupt::listen()?);
    let archives = Archives::make(Path::new(FOLDER), workload)?;
    let rounds = (0..workload.rounds).map(|number| {
        interrupt.check()?;
        let round = measure_round(&archives, workload)?;
        eprintln!(
            "  round {}: {:.3} s, reading {:.3} s",
            number + 1,
            round.dedup_us as f64 / 1e6,
            round.read_us as f64 / 1e6
        );
        Ok(round)
    });
    let rounds = rounds.collect::<Result<Vec<_>>>();
    archives.remove()?;
    Ok(DedupResults { machine, rounds: rounds? })
}

/// Both archives are in the page cache.
fn measure_round(archives: &Archives, workload: &Workload) -> Result<Round> {
    let disk = Disk::of(Path::new(FOLDER))?;
    let (one, two) = (archives.one(), archives.changed(workload.changed)?);
    let read = || {
        let mut cat = Command::new("sh");
        cat.args(["-c", "for archive; do dd if=\"$archive\" of=/dev/null bs=1M status=none; done", "read"]);
        measure(cat.arg(&one).arg(&two))
    };
    read()?;
    let read_us = read()?.elapsed_us();
    let used = disk.used_when_idle()?;
    let dedup = || measure(Command::new("ckpt").args(["dedup", "--format", "json"]).arg(&one).arg(&two));
    let first = dedup()?;
    let own_bytes = disk.used_when_idle()?;
    let second = dedup()?;
    run_program(Command::new("ckpt").arg("verify").arg(&two))?;
    let report: Value = serde_json::from_str(&first.stdout).context("the report is no JSON")?;
    let number = |key: &str| report[0][key].as_u64().with_context(|| format!("the report has no {key}"));
    Ok(Round {
        read_us,
        dedup_us: first.elapsed_us(),
        cpu_us: first.cpu_us(),
        again_us: second.elapsed_us(),
        memory_bytes: first.peak_memory_bytes,
        matched_bytes: number("matched_bytes")?,
        shared_bytes: number("shared_bytes")?,
        rewritten_bytes: number("rewritten_bytes")?,
        calls: number("calls")?,
        freed_bytes: used.saturating_sub(own_bytes),
    })
}
