//! `cargo xtask bench serve`: a container with gigabytes of changed files, saved and brought back by way of `ckpt serve`.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── rounds: each way in turn: `ckpt` itself, by descriptor, through the socket, …
//!     ◀── ServeResults ────┘
//!     ── table, verdicts, target/bench/serve-<fs>.json
//! ```

mod results;
mod rounds;
mod table;
mod way;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::ServeReport;
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct ServeOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &ServeOptions) -> Result<ExitCode> {
    let bench = Bench {
        name: "serve",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("A container with {} changed files of 100 MB, by way of `ckpt serve`", options.workload.files),
    };
    let report = |fs, commit, results| ServeReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, table::render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
