//! `cargo xtask bench memory`: a container with gigabytes of resident memory, against podman's local checkpoint.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── rounds: each contender's checkpoint, restore warm, restore cold
//!     ◀── MemoryResults ───┘
//!     ── table, verdicts, target/bench/memory-<fs>.json
//! ```

mod answer;
mod contender;
mod crius_server;
mod large_container;
mod processes;
mod results;
mod rounds;
mod summary;
mod table;
mod verdict;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::cargo::Workspace;
use crate::lab::FileSystem;
pub(super) use processes::wait_until_resident;
use summary::MemoryReport;
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct MemoryOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &MemoryOptions) -> Result<ExitCode> {
    let workload = Workload { page_loop: Workspace::locate()?.page_loop()?, ..options.workload.clone() };
    let bench = Bench {
        name: "memory",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &workload,
        title: format!("Processes with {:?} MiB of memory", workload.mebibytes),
    };
    let report = |fs, commit, results| MemoryReport::new(fs, commit, workload.clone(), results);
    bench.run(report, table::render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
