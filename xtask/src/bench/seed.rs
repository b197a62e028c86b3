//! `cargo xtask bench seed`: the main job, checkpoint and restore of a container with many changed files.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── workload ──────▶ run_inside ── rounds: each contender's checkpoint, restore, clean-up
//!     ◀── SeedResults ───┘
//!     ── table, verdicts, target/bench/seed-<fs>.json
//! ```

mod contender;
mod results;
mod rounds;
mod table;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::report::{self, Bench};
use crate::lab::FileSystem;
use results::SeedReport;

/// The two on which files can be cloned.
#[derive(Clone, Copy, ValueEnum)]
enum ReflinkFileSystem {
    Btrfs,
    Xfs,
}

impl From<ReflinkFileSystem> for FileSystem {
    fn from(fs: ReflinkFileSystem) -> Self {
        match fs {
            ReflinkFileSystem::Btrfs => Self::Btrfs,
            ReflinkFileSystem::Xfs => Self::Xfs,
        }
    }
}

#[derive(Args)]
pub(crate) struct SeedOptions {
    /// Only this file system
    #[arg(long, value_enum)]
    fs: Option<ReflinkFileSystem>,
    #[command(flatten)]
    workload: Workload,
    /// Take the release build of `ckpt` that is there instead of building it
    #[arg(long)]
    no_build: bool,
}

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Changed files in the container
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// Size of each, in MB (10^6 bytes)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    megabytes: u64,
    /// Rounds of ckpt and of podman's floor
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds of stock podman, which takes a minute for each; 0 leaves it out
    #[arg(long, default_value_t = 1)]
    stock_rounds: u32,
    /// The OCI runtime, podman's default if not given
    #[arg(long)]
    runtime: Option<String>,
}

impl Workload {
    fn file_bytes(&self) -> u64 {
        self.megabytes * 1_000_000
    }

    fn data_bytes(&self) -> u64 {
        u64::from(self.files) * self.file_bytes()
    }
}

pub(super) fn run(options: &SeedOptions) -> Result<ExitCode> {
    let file_systems = match options.fs {
        Some(fs) => vec![fs.into()],
        None => vec![FileSystem::Btrfs, FileSystem::Xfs],
    };
    let bench = Bench {
        name: "seed",
        file_systems: &file_systems,
        no_build: options.no_build,
        workload: &options.workload,
        subject: format!(
            "A container with {} changed files of {} MB",
            options.workload.files, options.workload.megabytes
        ),
    };
    let report = |fs, commit, results| SeedReport::new(fs, commit, options.workload.clone(), results);
    bench.run(report, table::render)
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
