//! `cargo xtask bench seed`: the main job, checkpoint and restore of a container with many changed files.
//!
//! ```text
//! host                      lab, once for each file system
//! run ── workload ──────▶ run_inside ── rounds: each contender's checkpoint, restore, clean-up
//!     ◀── SeedResults ───┘
//!     ── table, verdicts, target/bench/seed-<fs>.json
//! ```

mod contender;
mod picture;
mod results;
mod rounds;
mod summary;
mod table;
mod verdict;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::report::{self, Bench};
use crate::lab::FileSystem;
use summary::SeedReport;
pub(crate) use workload::Workload;

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

pub(super) fn run(options: &SeedOptions) -> Result<ExitCode> {
    let file_systems = match options.fs {
        Some(fs) => vec![fs.into()],
        None => vec![FileSystem::Btrfs, FileSystem::Xfs],
    };
    let bench = Bench {
        name: "seed",
        file_systems: &file_systems,
        no_build: options.no_build,
        image_gib: report::IMAGE_GIB,
        workload: &options.workload,
        title: format!(
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
