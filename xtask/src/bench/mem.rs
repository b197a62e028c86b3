//! `cargo xtask bench mem`: a text that lies somewhere in a checkpoint's memory, found by `ckpt mem` and by grep.
//!
//! ```text
//! host                    lab, once for each file system
//! run ── Workload ────▶ run_inside ── one checkpoint; grep and ckpt in turn; nothing in the page cache, and all of it
//!     ◀── MemResults ──┘
//!     ── table, verdicts, target/bench/mem-<fs>.json
//! ```

mod results;
mod rounds;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::{MemReport, render};
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct MemOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &MemOptions) -> Result<ExitCode> {
    let bench = Bench {
        name: "mem",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("A text in {} MiB of memory", options.workload.mebibytes),
    };
    let report = |fs, commit, results| MemReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
