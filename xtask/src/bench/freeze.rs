//! `cargo xtask bench freeze`: how long a container stands still, against the size of its data and where the archive goes.
//! Of ext4 see `passes`.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── no data, a tenth, all; each with the archive
//!                                         on the same file system, on another, compressed
//!     ◀── FreezeResults ───┘
//!     ── table, verdicts, target/bench/freeze-<fs>.json
//! ```

mod passes;
mod results;
mod rounds;
mod table;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
pub(crate) use passes::run_inside as run_passes_inside;
use results::FreezeReport;
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct FreezeOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = FileSystem::ALL)]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &FreezeOptions) -> Result<ExitCode> {
    let (ext4, with_reflink): (Vec<_>, Vec<_>) = options.fs.iter().partition(|fs| **fs == FileSystem::Ext4);
    let bench = Bench {
        name: "freeze",
        file_systems: &with_reflink,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("A container with up to {} changed files of 100 MB", options.workload.files),
    };
    let report = |fs, commit, results| FreezeReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, table::render)?;
    passes::run(&ext4, &options.workload, options.no_build)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
