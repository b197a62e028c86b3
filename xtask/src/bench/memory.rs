//! `cargo xtask bench memory`: a container with gigabytes of resident memory, against podman's local checkpoint.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── rounds: each contender's checkpoint, restore warm, restore cold
//!     ◀── MemoryResults ───┘
//!     ── table, verdicts, target/bench/memory-<fs>.json
//! ```

mod contender;
mod results;
mod rounds;
mod subject;
mod table;

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{machine, report};
use crate::cargo::Workspace;
use crate::lab::FileSystem;
use results::MemoryReport;

#[derive(Args)]
pub(crate) struct MemoryOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Memory of the process, in MiB: random, so nothing compresses it
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..))]
    mebibytes: u64,
    /// Rounds of ckpt and of podman without an archive
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of podman with an archive, which takes minutes for each; 0 leaves it out
    #[arg(long, default_value_t = 1)]
    stock_rounds: u32,
    /// The OCI runtime, podman's default if not given
    #[arg(long)]
    runtime: Option<String>,
}

impl Workload {
    fn bytes(&self) -> u64 {
        self.mebibytes << 20
    }
}

impl FromStr for Workload {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

pub(super) fn run(options: &MemoryOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if !options.no_build {
        workspace.build_ckpt()?;
    }
    // Asked now: others may commit while this runs.
    let commit = machine::commit(&workspace.root);
    for &fs in &options.fs {
        eprintln!("A process with {} MiB of memory on {fs}", options.workload.mebibytes);
        let results = report::in_lab(fs, "lab-bench-memory", &options.workload)?;
        let report = MemoryReport::new(fs, commit.clone(), options.workload.clone(), results);
        println!("{}", table::render(&report));
        println!("written to {}\n", report::write(&workspace, "memory", fs, &report)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    let results = rounds::run(workload)?;
    println!("{}", serde_json::to_string(&results).context("results are JSON")?);
    Ok(ExitCode::SUCCESS)
}
