//! `ckpt unpack`.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use aligntar::{PlainParents, Reader, Transferred, UnpackOptions, Unpacker};
use anyhow::{Context, Result};
use clap::Args;

use super::CloneArgument;
use crate::display::{Display, Summary};

/// Unpack a tar archive below a directory, and never outside of it; needs no root and no podman.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive
    archive: PathBuf,
    /// The directory to unpack in
    #[arg(short = 'C', long, default_value = ".")]
    directory: PathBuf,
    #[command(flatten)]
    clone: CloneArgument,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let started = Instant::now();
    let mut display = Display::new("unpack");
    let moved = unpack(&arguments, &mut display)?;
    display.finish();
    Summary { elapsed: started.elapsed(), frozen: None, moved }.print(&arguments.archive.to_string_lossy());
    Ok(())
}

fn unpack(arguments: &Arguments, display: &mut Display) -> Result<Transferred> {
    let Arguments { archive, directory, clone } = arguments;
    let name = || archive.display().to_string();
    let target = File::open(directory).with_context(|| format!("open {}", directory.display()))?;
    let archive = File::open(archive).with_context(name)?;
    // What only root may give: owners, devices' owners, and attributes of the namespaces that are root's.
    let is_root = rustix::process::geteuid().is_root();
    let keep = |attribute: &[u8]| attribute.starts_with(b"user.") || attribute.starts_with(b"system.posix_acl_");
    let options = UnpackOptions { owner: is_root, keep_xattr: &keep, clone_policy: clone.policy() };
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::new(&archive, target.as_fd(), options, &mut parents)?;
    for entry in Reader::open(&archive).with_context(name)? {
        display.count(unpacker.unpack(&entry.with_context(name)?)?);
    }
    Ok(unpacker.finish()?)
}
