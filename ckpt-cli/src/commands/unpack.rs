//! `ckpt unpack`.

use std::fs::File;
use std::num::NonZeroUsize;
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
    let options = UnpackOptions {
        // Only root may give files away.
        owner: rustix::process::geteuid().is_root(),
        clone_policy: clone.policy(),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        ..UnpackOptions::default()
    };
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::new(target.as_fd(), options, &mut parents)?;
    let mut reader = Reader::open(&archive).with_context(name)?;
    while let Some(entry) = reader.next_entry().with_context(name)? {
        display.count(unpacker.unpack(&entry, reader.source_mut())?);
    }
    Ok(unpacker.finish()?)
}
