//! `cargo xtask bench freeze`: how long a container stands still, against the size of its data and the archive's place.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── no data, a tenth, all; each: archive beside, elsewhere, compressed
//!     ◀── FreezeResults ───┘
//!     ── table, verdicts, target/bench/freeze-<fs>.json
//! ```

mod results;
mod rounds;
mod table;

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{machine, report};
use crate::cargo::Workspace;
use crate::lab::FileSystem;
use results::FreezeReport;

#[derive(Args)]
pub(crate) struct FreezeOptions {
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
    /// Changed files of 100 MB in the container
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(10..))]
    files: u32,
    /// Rounds for each size and place
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

impl FromStr for Workload {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

pub(super) fn run(options: &FreezeOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if !options.no_build {
        workspace.build_ckpt()?;
    }
    // Asked now: others may commit while this runs.
    let commit = machine::commit(&workspace.root);
    for &fs in &options.fs {
        eprintln!("A container with up to {} changed files of 100 MB on {fs}", options.workload.files);
        let results = report::in_lab(fs, "lab-bench-freeze", &options.workload)?;
        let report = FreezeReport::new(fs, commit.clone(), options.workload.clone(), results);
        println!("{}", table::render(&report));
        println!("written to {}\n", report::write(&workspace, "freeze", fs, &report)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    let results = rounds::run(workload)?;
    println!("{}", serde_json::to_string(&results).context("results are JSON")?);
    Ok(ExitCode::SUCCESS)
}
