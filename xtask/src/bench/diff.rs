//! `cargo xtask bench diff`: what a container changed, said by `ckpt diff` and by `podman diff`.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── Workload ──────▶ run_inside ── image of a tenth, changes, rounds; image of all files, changes, rounds
//!     ◀── DiffResults ───┘
//!     ── table, verdicts, target/bench/diff-<fs>.json
//! ```

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
use results::DiffReport;

#[derive(Args)]
pub(crate) struct DiffOptions {
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
    /// Changed paths in the container: a tenth each appended to and deleted, the rest new
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..))]
    changes: u32,
    /// Files of the image; another image has a tenth of them
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..))]
    image_files: u32,
    /// Rounds of ckpt
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of podman, which takes a minute for each
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    stock_rounds: u32,
}

impl FromStr for Workload {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

pub(super) fn run(options: &DiffOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if !options.no_build {
        workspace.build_ckpt()?;
    }
    // Asked now: others may commit while this runs.
    let commit = machine::commit(&workspace.root);
    for &fs in &options.fs {
        let Workload { changes, image_files, .. } = options.workload;
        eprintln!("{changes} changes over {image_files} files on {fs}");
        let results = report::in_lab(fs, "lab-bench-diff", &options.workload)?;
        let report = DiffReport::new(fs, commit.clone(), options.workload.clone(), results);
        println!("{}", table::render(&report));
        println!("written to {}\n", report::write(&workspace, "diff", fs, &report)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    let results = rounds::run(workload)?;
    println!("{}", serde_json::to_string(&results).context("results are JSON")?);
    Ok(ExitCode::SUCCESS)
}
