//! `cargo xtask bench tree`: trees packed and unpacked, against other tools and against the least that clones cost.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── TreePlan ──────▶ run_inside ── grow, rounds: each contender packs, unpacks, is compared, cleaned up
//!     ◀── TreeResults ───┘
//!     ── tables, verdicts, target/bench/tree-<fs>.json
//! ```

mod census;
mod contender;
mod grow;
mod limits;
mod plan;
mod results;
mod rounds;
mod sizes;
mod summary;
mod table;
mod verdict;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::{machine, report};
use crate::cargo::Workspace;
use crate::lab::FileSystem;
use limits::LimitPrograms;
pub(crate) use plan::TreePlan;
use plan::{Scale, Workload};
use summary::TreeReport;

#[derive(Args)]
pub(crate) struct TreeOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = FileSystem::ALL)]
    fs: Vec<FileSystem>,
    /// Only this workload; may be repeated; without it all but the million
    #[arg(long, value_enum, default_values_t = Workload::QUICK)]
    workload: Vec<Workload>,
    /// Every workload
    #[arg(long, conflicts_with = "workload")]
    all: bool,
    #[command(flatten)]
    scale: Scale,
    /// Take the release builds that are there instead of building them
    #[arg(long)]
    no_build: bool,
}

impl TreeOptions {
    fn workloads_on(&self, fs: FileSystem) -> Vec<Workload> {
        let asked: &[Workload] = if self.all { &Workload::ALL } else { &self.workload };
        asked.iter().copied().filter(|workload| workload.belongs_on(fs)).collect()
    }
}

pub(super) fn run(options: &TreeOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if !options.no_build {
        workspace.build_ckpt()?;
        workspace.build_limits()?;
    }
    let [clone_loop, bare_calls] = workspace.limits();
    let limits = LimitPrograms { clone_loop, bare_calls };
    // Asked now: others may commit while this runs.
    let commit = machine::commit(&workspace.root);
    for &fs in &options.fs {
        let workloads = options.workloads_on(fs);
        if workloads.is_empty() {
            eprintln!("No such workload on {fs}");
            continue;
        }
        eprintln!("Trees on {fs}");
        let plan = TreePlan { fs, workloads, scale: options.scale.clone(), limits: limits.clone() };
        let results = report::in_lab(fs, report::IMAGE_GIB, "lab-bench-tree", &plan)?;
        let report = TreeReport::new(commit.clone(), plan, results);
        println!("{}", table::render(&report));
        report::keep(&workspace, ("tree", fs), "Trees", &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(plan: &TreePlan) -> Result<ExitCode> {
    let results = rounds::run(plan)?;
    println!("{}", serde_json::to_string(&results).context("results are JSON")?);
    Ok(ExitCode::SUCCESS)
}
