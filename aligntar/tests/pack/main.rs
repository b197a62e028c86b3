//! What goes into an archive, and what the caller can have otherwise.

mod changes;
mod chosen;
#[path = "../tree/mod.rs"]
mod tree;
mod written;

use std::fs::File;
use std::path::Path;

use aligntar::{Entry, PackOptions, Packer, Reader, StreamSource, WriteOptions, Writer};

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// What `fill` packs, as bytes of a stream.
pub(crate) fn packed(write: WriteOptions, options: PackOptions<'_>, fill: impl FnOnce(&mut Packer<'_, '_>)) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut writer = Writer::to_stream(&mut archive, write).unwrap();
    let mut ignore = |_: &[u8], _| {};
    fill(&mut Packer::new(&mut writer, options, &mut ignore));
    writer.finish().unwrap();
    archive
}

pub(crate) fn pack_tree(root: &Path, options: PackOptions<'_>) -> Vec<u8> {
    let root = File::open(root).unwrap();
    packed(WriteOptions::default(), options, |packer| packer.pack_tree(&root, b".").unwrap())
}

pub(crate) fn entries(archive: &[u8]) -> Vec<Entry> {
    let limits = aligntar::Limits::default();
    Reader::new(StreamSource::new(archive), limits).map(Result::unwrap).collect()
}

pub(crate) fn names(archive: &[u8]) -> Vec<String> {
    entries(archive).into_iter().map(|entry| String::from_utf8(entry.member.path).unwrap()).collect()
}
