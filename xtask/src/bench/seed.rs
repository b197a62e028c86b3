//! `cargo xtask bench seed`: the main job, checkpoint and restore of a container with many changed files.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── workload ──────▶ run_inside ── rounds: each contender's checkpoint, restore, clean-up
//!     ◀── SeedResults ───┘
//!     ── table, verdicts, target/bench/seed-<fs>.json
//! ```

mod contender;
mod results;
mod rounds;
mod table;
mod verdict;

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{machine, report};
use crate::cargo::Workspace;
use crate::lab::FileSystem;
use results::SeedReport;

/// The two on which files can be cloned.
#[derive(Clone, Copy, ValueEnum)]
enum ReflinkFileSystem {
    Btrfs,
    Xfs,
}

impl From<ReflinkFileSystem> for FileSystem {
    fn from(fs: ReflinkFileSystem) -> Self {
        match fs {
            ReflinkFileSystem::Btrfs => Self::Btrfs,
            ReflinkFileSystem::Xfs => Self::Xfs,
        }
    }
}

#[derive(Args)]
pub(crate) struct SeedOptions {
    /// Only this file system
    #[arg(long, value_enum)]
    fs: Option<ReflinkFileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Changed files in the container
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// Size of each, in MB (10^6 bytes)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    megabytes: u64,
    /// Rounds of ckpt and of podman's floor
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of stock podman, which takes a minute for each; 0 leaves it out
    #[arg(long, default_value_t = 1)]
    stock_rounds: u32,
    /// The OCI runtime, podman's default if not given
    #[arg(long)]
    runtime: Option<String>,
}

impl Workload {
    fn file_bytes(&self) -> u64 {
        self.megabytes * 1_000_000
    }

    fn data_bytes(&self) -> u64 {
        u64::from(self.files) * self.file_bytes()
    }
}

impl FromStr for Workload {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

pub(super) fn run(options: &SeedOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if !options.no_build {
        workspace.build_ckpt()?;
    }
    // Asked now: others may commit while this runs.
    let commit = machine::commit(&workspace.root);
    let file_systems = match options.fs {
        Some(fs) => vec![fs.into()],
        None => vec![FileSystem::Btrfs, FileSystem::Xfs],
    };
    for fs in file_systems {
        let Workload { files, megabytes, .. } = options.workload;
        eprintln!("A container with {files} changed files of {megabytes} MB on {fs}");
        let results = report::in_lab(fs, "lab-bench-seed", &options.workload)?;
        let report = SeedReport::new(fs, commit.clone(), options.workload.clone(), results);
        println!("{}", table::render(&report));
        println!("written to {}\n", report::write(&workspace, "seed", fs, &report)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    let results = rounds::run(workload)?;
    println!("{}", serde_json::to_string(&results).context("results are JSON")?);
    Ok(ExitCode::SUCCESS)
}
