//! `cargo xtask bench`: how fast `ckpt` is, beside others and beside the least that its work costs.

mod cells;
mod chart;
mod container;
mod dedup;
mod diff;
mod disk;
mod fork;
mod free_memory;
mod freeze;
mod interrupt;
mod machine;
mod measure;
mod mem;
mod memory;
mod program;
mod report;
mod save;
mod seed;
mod serve;
mod ship;
mod spread;
mod tree;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use container::Container;
use dedup::DedupOptions;
pub(crate) use dedup::{Workload as DedupWorkload, run_inside as run_dedup_inside};
use diff::DiffOptions;
pub(crate) use diff::{Workload as DiffWorkload, run_inside as run_diff_inside};
pub(crate) use disk::Disk;
use fork::ForkOptions;
pub(crate) use fork::{Workload as ForkWorkload, run_inside as run_fork_inside};
use freeze::FreezeOptions;
pub(crate) use freeze::{Workload as FreezeWorkload, run_inside as run_freeze_inside, run_passes_inside};
pub(crate) use interrupt::Interrupt;
pub(crate) use measure::{Measured, measure};
use mem::MemOptions;
pub(crate) use mem::{Workload as MemWorkload, run_inside as run_mem_inside};
use memory::MemoryOptions;
pub(crate) use memory::{Workload as MemoryWorkload, run_inside as run_memory_inside};
pub(crate) use program::run as run_program;
pub(crate) use report::from_json;
use save::SaveOptions;
pub(crate) use save::{Workload as SaveWorkload, run_inside as run_save_inside};
use seed::SeedOptions;
pub(crate) use seed::{Workload, run_inside as run_seed_inside};
use serve::ServeOptions;
pub(crate) use serve::{Workload as ServeWorkload, run_inside as run_serve_inside};
use ship::ShipOptions;
pub(crate) use ship::{Workload as ShipWorkload, run_inside as run_ship_inside};
use tree::TreeOptions;
pub(crate) use tree::{TreePlan, run_inside as run_tree_inside};

#[derive(Subcommand)]
pub(crate) enum BenchTask {
    /// Checkpoint and restore a container with gigabytes of changed files, against podman and its floor
    Seed(SeedOptions),
    /// Pack and unpack trees of files, against other tools and the least that clones cost
    Tree(TreeOptions),
    /// List what a container with 100,000 changes changed, against podman
    Diff(DiffOptions),
    /// Checkpoint and restore a container with gigabytes of resident memory, against podman without an archive
    Memory(MemoryOptions),
    /// Find a text in the memory of a checkpoint, against grep over the same file
    Mem(MemOptions),
    /// How long a container stands still, against the size of its data and the archive's place
    Freeze(FreezeOptions),
    /// Share the memory of two checkpoints after the fact, against only reading them
    Dedup(DedupOptions),
    /// Save a container of which little changes, against plain checkpoints and the kernel's own sharing
    Save(SaveOptions),
    /// Make many copies of a container, against podman's restores of an empty one
    Fork(ForkOptions),
    /// Checkpoint and restore a container with gigabytes of changed files by way of `ckpt serve`, against `ckpt` itself
    Serve(ServeOptions),
    /// Make an image of an archive, in a folder and in a registry, and an archive of that, against skopeo
    Ship(ShipOptions),
}

pub(crate) fn run(task: &BenchTask) -> Result<ExitCode> {
    match task {
        BenchTask::Seed(options) => seed::run(options),
        BenchTask::Tree(options) => tree::run(options),
        BenchTask::Diff(options) => diff::run(options),
        BenchTask::Memory(options) => memory::run(options),
        BenchTask::Mem(options) => mem::run(options),
        BenchTask::Freeze(options) => freeze::run(options),
        BenchTask::Dedup(options) => dedup::run(options),
        BenchTask::Save(options) => save::run(options),
        BenchTask::Fork(options) => fork::run(options),
        BenchTask::Serve(options) => serve::run(options),
        BenchTask::Ship(options) => ship::run(options),
    }
}
