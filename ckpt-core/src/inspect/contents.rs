//! What is in an archive, and how much of it other files share.

use std::path::Path;

use aligntar::{Entry, Extent, Kind, extents};
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::dumps::Dumps;
use crate::archive::maker::Origin;
use crate::archive::manifest::Manifest;
use crate::archive::{ArchiveError, CHECKPOINT, CheckpointArchive, DEVSHM, Import, MANIFEST, ROOTFS_DIFF, VOLUMES};
use crate::archive::{KubernetesPod, Maker};
use crate::container::privileges::{self, Granted, Host};
use crate::container::restorable::{self, Obstacle};
use crate::criu::images::images_in;
use crate::inside::{Inside, InsideError, Sections, images};

/// What an archive holds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Inspection {
    /// The engine that made it.
    pub engine: Maker,
    /// The pod of Kubernetes that the container was in.
    pub pod: Option<KubernetesPod>,
    /// The container's ID at the checkpoint.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image's name.
    pub image: String,
    /// Its image's ID; of CRI-O and containerd, an ID or a digest.
    pub image_id: String,
    /// Its OCI runtime.
    pub runtime: String,
    /// Our manifest; none in podman's own archives.
    pub manifest: Option<Manifest>,
    /// Whether the file is compressed, and so cannot be cloned from.
    pub compressed: bool,
    /// Length of the archive in bytes, decompressed.
    pub archive_bytes: u64,
    /// What it holds, part by part.
    pub parts: Vec<Part>,
    /// Paths of the image that the container deleted.
    pub deleted: u64,
    /// What the archive would be allowed to do here beyond an ordinary container of podman, by its configuration. Nothing
    /// of what podman cannot restore.
    #[serde(rename = "powers")]
    pub privileges: Vec<Granted>,
    /// Why it cannot be restored, or what a restore will ask for.
    pub concerns: Vec<String>,
    /// Where the archive's blocks are; none where the file system does not say, or for a compressed one.
    pub blocks: Option<Blocks>,
    /// What went on in the container.
    #[serde(flatten)]
    pub inside: Inside,
}

/// One part of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Members.
    pub members: u64,
    /// Bytes of data in regular files.
    pub bytes: u64,
    /// Bytes of that in files whose data lies on blocks.
    pub aligned_bytes: u64,
}

/// FIEMAP's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Blocks {
    /// Bytes on the disk.
    pub mapped_bytes: u64,
    /// Bytes of that which other files refer to as well: they cost nothing.
    pub shared_bytes: u64,
}

/// Looks into the archive at `path`; a compressed one is unpacked into a nameless file in `spool` for that.
///
/// # Errors
/// [`InsideError`].
pub fn inspect(path: &Path, spool: &Path) -> Result<Inspection, InsideError> {
    inspect_import(&path.into(), spool, &Sections::default())
}

/// As [`inspect`], wherever the archive comes from, and with `sections` of what went on in the container.
///
/// # Errors
/// [`InsideError`].
pub fn inspect_import(import: &Import, spool: &Path, sections: &Sections) -> Result<Inspection, InsideError> {
    let path = import.name();
    look(&CheckpointArchive::read(CheckpointArchive::open_file(import)?, path, spool, None)?, sections)
}

pub(super) fn look(archive: &CheckpointArchive, sections: &Sections) -> Result<Inspection, InsideError> {
    let config = archive.config()?;
    let origin = Origin::of(archive)?;
    let stat_error = |source| ArchiveError::Io { call: "stat", path: archive.path().to_owned(), source };
    let metadata = archive.file().metadata().map_err(stat_error)?;
    let manifest: Option<Manifest> = archive.json(MANIFEST)?;
    let (privileges, concerns) = match origin.maker {
        Maker::Podman => judged(archive, manifest.as_ref())?,
        maker => (Vec::new(), vec![format!("it cannot be restored: {}", Obstacle::OtherEngine { maker })]),
    };
    let (parts, whiteouts) = parts(archive)?;
    Ok(Inspection {
        engine: origin.maker,
        pod: origin.pod,
        id: config.id,
        name: config.name,
        image: config.image_name,
        image_id: if config.image_id.is_empty() { config.image_ref } else { config.image_id },
        runtime: config.runtime,
        manifest,
        compressed: archive.is_compressed(),
        archive_bytes: metadata.len(),
        parts,
        deleted: archive.supplement()?.deleted.len() as u64 + whiteouts,
        privileges,
        concerns,
        blocks: blocks(archive),
        inside: images::inside(archive, &images_in(archive), sections)?,
    })
}

/// What podman's restore would grant and ask for.
fn judged(
    archive: &CheckpointArchive,
    manifest: Option<&Manifest>,
) -> Result<(Vec<Granted>, Vec<String>), ArchiveError> {
    let dumps = Dumps::of(archive)?;
    let mut concerns = restorable::concerns(&dumps)?;
    let special = manifest.iter().flat_map(|manifest| &manifest.special_volumes);
    concerns.extend(special.map(|name| restorable::of_volume(name)));
    Ok((privileges::of(&dumps, &Host::here())?, concerns))
}

/// The parts, and how many deletions a layer of OCI says in its own way.
fn parts(archive: &CheckpointArchive) -> Result<(Vec<Part>, u64), ArchiveError> {
    let block = archive.json::<Manifest>(MANIFEST)?.map_or(0, |manifest| manifest.block_size).max(4096);
    let mut images = Part::named("CRIU images");
    let mut metadata = Part::named("metadata");
    let (mut nested, mut whiteouts) = (Vec::new(), 0);
    for entry in archive.entries() {
        let path = String::from_utf8_lossy(&entry.member.path).into_owned();
        if path == ROOTFS_DIFF || path == DEVSHM || path.starts_with(VOLUMES) && path.ends_with(".tar") {
            let mut part = Part::named(&path);
            if archive.is_packed(entry)? {
                archive.each_packed(entry, &mut |member| {
                    whiteouts += u64::from(is_whiteout(&member.member.path));
                    part.count(member, NO_BLOCKS);
                })?;
            } else {
                for member in archive.nested(entry)? {
                    part.count(&member?, block);
                }
            }
            nested.push(part);
        } else if path.starts_with(CHECKPOINT) {
            images.count(entry, block);
        } else {
            metadata.count(entry, block);
        }
    }
    Ok(([metadata, images].into_iter().chain(nested).collect(), whiteouts))
}

/// Nothing lies on blocks of this size.
const NO_BLOCKS: u64 = u64::MAX;

/// `.wh.NAME`, a path that is gone; `.wh..wh..opq` only says that a directory is another one: OCI image specification,
/// "Whiteouts".
fn is_whiteout(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    name.starts_with(b".wh.") && !name.starts_with(b".wh..wh.")
}

impl Part {
    fn named(name: &str) -> Self {
        Part { name: name.to_owned(), members: 0, bytes: 0, aligned_bytes: 0 }
    }

    fn count(&mut self, entry: &Entry, block: u64) {
        self.members += 1;
        if let Kind::Regular { size } = entry.member.kind {
            self.bytes += size;
            if size >= block && entry.data_offset.is_multiple_of(block) {
                self.aligned_bytes += size;
            }
        }
    }
}

fn blocks(archive: &CheckpointArchive) -> Option<Blocks> {
    if archive.is_compressed() {
        return None;
    }
    let mut blocks = Blocks::default();
    let count = |extent: Extent| {
        blocks.mapped_bytes += extent.length;
        blocks.shared_bytes += if extent.shared { extent.length } else { 0 };
    };
    extents(archive.file(), count).ok().map(|()| blocks)
}
