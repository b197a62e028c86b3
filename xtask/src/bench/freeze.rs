//! `cargo xtask bench freeze`: how long a container stands still, against the size of its data and the archive's place.
//!
//! ```text
//! host                        lab, once for each file system
//! run ── Workload ────────▶ run_inside ── no data, a tenth, all; each: archive beside, elsewhere, compressed
//!     ◀── FreezeResults ───┘
//!     ── table, verdicts, target/bench/freeze-<fs>.json
//! ```

mod results;
mod rounds;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::FreezeReport;

#[derive(Args)]
pub(crate) struct FreezeOptions {
    /// Only this file system; may be repeated
    #[arg(long, value_enum, default_values_t = [FileSystem::Btrfs, FileSystem::Xfs])]
    fs: Vec<FileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Changed files of 100 MB in the container
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(10..))]
    files: u32,
    /// Rounds for each size and place
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub(super) fn run(options: &FreezeOptions) -> Result<ExitCode> {
    let bench = Bench {
        name: "freeze",
        file_systems: &options.fs,
        no_build: options.no_build,
        workload: &options.workload,
        subject: format!("A container with up to {} changed files of 100 MB", options.workload.files),
    };
    let report = |fs, commit, results| FreezeReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, table::render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
