//! `cargo xtask bench ship`: an archive becomes an image in a folder and in a registry, and comes back.
//!
//! ```text
//! host                       lab, once for each file system
//! run ── Workload ───────▶ run_inside ── an archive, Debian's docker-registry, and skopeo beside ckpt
//!     ◀── ShipResults ────┘
//!     ── table, verdicts, target/bench/ship-<fs>.json
//! ```

mod registry;
mod results;
mod rounds;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::{ShipReport, render};
pub(crate) use workload::Workload;

#[derive(Args)]
pub(crate) struct ShipOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

pub(super) fn run(options: &ShipOptions) -> Result<ExitCode> {
    let Workload { mebibytes, .. } = options.workload;
    let bench = Bench {
        name: "ship",
        file_systems: &options.fs,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!("An archive of {mebibytes} MiB as an image"),
    };
    let report = |fs, commit, results| ShipReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
