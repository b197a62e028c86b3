//! `cargo xtask bench diff`: what a container changed, said by `ckpt diff` and by `podman diff`.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── Workload ──────▶ run_inside ── image of a tenth, changes, rounds; image of all files, changes, rounds
//!     ◀── DiffResults ───┘
//!     ── table, verdicts, target/bench/diff-<fs>.json
//! ```

mod changed_container;
mod results;
mod rounds;
mod table;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::DiffReport;
pub(crate) use workload::Workload;

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

pub(super) fn run(options: &DiffOptions) -> Result<ExitCode> {
    let bench = Bench {
        name: "diff",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("{} changes over {} files", options.workload.changes, options.workload.image_files),
    };
    let report = |fs, commit, results| DiffReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, table::render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
