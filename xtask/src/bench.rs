//! `cargo xtask bench`: how fast `ckpt` is, and how much of that is podman's own time.

mod container;
mod disk;
mod interrupt;
mod machine;
mod measure;
mod program;
mod seed;
mod spread;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use container::Container;
pub(crate) use disk::Disk;
pub(crate) use interrupt::Interrupt;
pub(crate) use measure::measure;
pub(crate) use program::run as run_program;
use seed::SeedOptions;
pub(crate) use seed::{Workload, run_inside as run_seed_inside};

#[derive(Subcommand)]
pub(crate) enum BenchTask {
    /// Checkpoint and restore a container with gigabytes of changed files, against podman and its floor
    Seed(SeedOptions),
}

pub(crate) fn run(task: &BenchTask) -> Result<ExitCode> {
    match task {
        BenchTask::Seed(options) => seed::run(options),
    }
}
