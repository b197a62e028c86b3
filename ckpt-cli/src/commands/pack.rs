//! `ckpt pack`.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use aligntar::{PackOptions, Packer, WriteOptions, Writer, Written};
use anyhow::{Context, Result};
use ckpt_core::output::Output;
use clap::Args;

use super::CloneArgument;
use crate::display::{Display, Summary};

/// Pack a directory tree into an archive whose file data lies on blocks; needs no root and no podman.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The tree
    directory: PathBuf,
    /// The archive to make
    #[arg(short, long)]
    file: PathBuf,
    #[command(flatten)]
    clone: CloneArgument,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let started = Instant::now();
    let mut display = Display::new("pack");
    let written = pack(&arguments, &mut display)?;
    display.finish();
    Summary { elapsed: started.elapsed(), frozen: None, moved: written.moved }.print(&arguments.file.to_string_lossy());
    Ok(())
}

fn pack(arguments: &Arguments, display: &mut Display) -> Result<Written> {
    let Arguments { directory, file, clone } = arguments;
    let tree = File::open(directory).with_context(|| format!("open {}", directory.display()))?;
    let output = Output::create(file)?;
    let options = WriteOptions { clone_policy: clone.policy(), ..WriteOptions::default() };
    let mut writer = Writer::new(output.file(), options)?;
    let mut count = |_: &[u8], moved| display.count(moved);
    let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let options = PackOptions { threads, ..PackOptions::default() };
    Packer::new(&mut writer, options, &mut count).pack_tree(&tree, b".")?;
    let written = writer.finish()?;
    output.publish()?;
    Ok(written)
}
