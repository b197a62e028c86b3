//! `cargo xtask demo`: the main job on a fresh machine, shown from beginning to end.
//!
//! As root a container with gigabytes of changed files is frozen, restored under
//! another name and compared, by `ckpt` and by podman. Without root a folder is
//! packed and unpacked, by `ckpt` and by tar.

mod comparison;
mod container_job;
mod outcome;
mod step;
mod tree_job;

use std::process::{ExitCode, Stdio};

use anyhow::{Result, ensure};
use clap::Args;

use crate::bench::Disk;
use crate::cargo::Workspace;
use crate::lab::{self, FileSystem, Lab, LabOptions};
pub(crate) use container_job::run_inside;

#[derive(Args)]
pub(crate) struct DemoOptions {
    /// Changed files in the container, in GB (10^9 bytes)
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    gigabytes: u32,
    /// The file system that holds the container; ext4 cannot clone, there everything is copied
    #[arg(long, value_enum, default_value_t = FileSystem::Btrfs)]
    fs: FileSystem,
}

pub(crate) fn run(options: &DemoOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    step::run("build ckpt", || workspace.build_ckpt())?;
    if lab::is_root() {
        return in_lab(options);
    }
    println!(
        "\nNot root: freezing containers needs it, for podman, CRIU and mounts. What follows packs and unpacks a folder.\n\
         For all of it: sudo -E env PATH=\"$PATH\" cargo xtask demo\n\
         That sets up everything by itself: missing tools as packages of this system, the rest below {}\n\
         (meanwhile {} GB), where no container and no data is left behind.\n",
        lab::cache_path().display(),
        container_job::needed_bytes(options.gigabytes) / 1_000_000_000
    );
    tree_job::run(&workspace)
}

fn in_lab(options: &DemoOptions) -> Result<ExitCode> {
    let lab = step::run("set up the lab: a Debian with podman and CRIU (minutes the first time)", || {
        Lab::open(&LabOptions {
            fs: options.fs,
            fresh: false,
            no_build: true,
            image_gib: lab::DEFAULT_IMAGE_GIB,
            direct_io: false,
        })
    })?;
    check_space(options.gigabytes)?;
    // The lab's first process is this very program.
    let mut command = lab.command("/proc/1/exe");
    command.args(["lab-demo", &options.gigabytes.to_string(), options.fs.name()]).stdin(Stdio::null());
    Ok(lab::exit_code(lab.run(&mut command)?))
}

/// The lab's file systems are sparse files: inside, a full host would look like a broken disk.
fn check_space(gigabytes: u32) -> Result<()> {
    let (folder, needed) = (lab::cache_path(), container_job::needed_bytes(gigabytes));
    let free = Disk::of(&folder)?.free()?;
    ensure!(
        free >= needed,
        "{} has {:.0} GB free, the demo needs {:.0}, most of it for podman's own way: try fewer --gigabytes, \
         or set CKPT_LAB_CACHE to a folder on another disk",
        folder.display(),
        free as f64 / 1e9,
        needed as f64 / 1e9
    );
    Ok(())
}
