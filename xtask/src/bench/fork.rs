//! `cargo xtask bench fork`: many copies of one container, against podman's own restores of an empty one.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── rounds: so many copies by each contender, in turn
//!     ◀── ForkResults ─────┘
//!     ── table, verdicts, target/bench/fork-<fs>.json
//! ```

mod contender;
mod results;
mod rounds;
mod table;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::ForkReport;
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct ForkOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &ForkOptions) -> Result<ExitCode> {
    let bench = Bench {
        name: "fork",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("{:?} copies of a container", options.workload.copies),
    };
    let report = |fs, commit, results| ForkReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, table::render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
