//! From one upperdir into another, as a checkpoint and a restore take the files.

use std::fs::File;

use aligntar::{ClonePolicy, FileSource, Reader, WriteOptions, Writer};
use anyhow::{Context, Result};
use ckpt_core::archive::ArchiveError;
use ckpt_core::progress::Silent;
use ckpt_core::rootfs::{Supplement, capture_diff, extract_diff};
use layerfs::Layers;

/// Everything is cloned, or it is an error.
pub(crate) fn carry(source: &Layers, target: &Layers) -> Result<Supplement> {
    let folder = source.upperdir.parent().context("the upperdir has a parent")?;
    let archive = tempfile::tempfile_in(folder)?;
    // Small files would be copied otherwise, holes and all.
    let options = WriteOptions { clone_policy: ClonePolicy::Required, ..WriteOptions::default() };
    let mut writer = Writer::new(&archive, options)?;
    let supplement = capture_diff(source, &mut writer, &mut Silent).context("capture")?;
    writer.finish()?;
    place(&archive, &supplement, target, ClonePolicy::Required)?;
    Ok(supplement)
}

/// What is in the archive, into a new upperdir.
pub(crate) fn place(archive: &File, supplement: &Supplement, target: &Layers, policy: ClonePolicy) -> Result<()> {
    let reader = Reader::open(archive)?;
    let members = reader.map(|entry| entry.map_err(|source| ArchiveError::Read { path: "the archive".into(), source }));
    extract_diff(&mut FileSource::new(archive)?, members, supplement, target, policy, &mut Silent).context("place")?;
    Ok(())
}
