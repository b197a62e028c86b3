//! `cargo xtask bench dedup`: two checkpoints of a container with much memory, shared after the fact.
//!
//! ```text
//! host                       lab, once for each file system
//! run ── Workload ───────▶ run_inside ── a checkpoint, and copies of it with a page in a hundred changed
//!     ◀── DedupResults ───┘
//!     ── table, verdicts, target/bench/dedup-<fs>.json
//! ```

mod archives;
mod results;
mod rounds;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::{DedupReport, render};
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct DedupOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &DedupOptions) -> Result<ExitCode> {
    let Workload { mebibytes, changed, .. } = options.workload;
    let bench = Bench {
        name: "dedup",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("Two checkpoints of {mebibytes} MiB of memory, {changed} pages of 1000 changed"),
    };
    let report = |fs, commit, results| DedupReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
