//! `cargo xtask bench save`: saves of a container with much memory of which little changes, and a long history.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── Workload ──────▶ run_inside ── change, checkpoint, change, save, dedup … and `history` of many archives
//!     ◀── SaveResults ───┘
//!     ── table, verdicts, target/bench/save-<fs>.json
//! ```

mod many;
mod results;
mod rounds;
mod sharing;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::{SaveReport, render};
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct SaveOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &SaveOptions) -> Result<ExitCode> {
    let Workload { mebibytes, changed, .. } = options.workload;
    let bench = Bench {
        name: "save",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("Saves of {mebibytes} MiB of memory, {changed} pages of 1000 changed"),
    };
    let report = |fs, commit, results| SaveReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
