//! The memory at /dev/shm: podman mounts it. Where it is the container's own, its files are put there; where others have it
//! as well, podman has unpacked them, but left the root as it has mounted that.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aligntar::{ClonePolicy, Entry};

use super::error::RepairError;
use super::times::Times;
use crate::archive::{ArchiveError, CheckpointArchive, DEVSHM};
use crate::progress::Silent;
use crate::rootfs::extract_tree;

/// How the archive has it.
#[derive(Debug)]
pub(super) struct Shm {
    folder: PathBuf,
    is_own: bool,
    times: Times,
}

impl Shm {
    /// `None` if the archive has none.
    pub(super) fn note(
        archive: &CheckpointArchive,
        folder: PathBuf,
        is_own: bool,
    ) -> Result<Option<Self>, ArchiveError> {
        let Some(nested) = archive.entry(DEVSHM) else { return Ok(None) };
        let mut times = Times::below(folder.clone());
        for entry in archive.nested(nested)? {
            times.note(&entry?.member);
        }
        Ok(Some(Shm { folder, is_own, times }))
    }

    pub(super) fn put_right(&self, archive: &CheckpointArchive) -> Result<(), RepairError> {
        match is_mounted(&self.folder) {
            false if self.is_own => return Err(RepairError::NotMounted { path: self.folder.clone() }),
            false => return Ok(()),
            true => {}
        }
        let Some(nested) = archive.entry(DEVSHM) else { return Ok(()) };
        let is_wanted = |entry: &Entry| self.is_own || entry.member.path == b".";
        let members = archive.nested(nested)?.filter(|entry| entry.as_ref().map_or(true, is_wanted));
        extract_tree(&mut archive.source()?, members, &self.folder, ClonePolicy::IfPossible, &mut Silent)?;
        Ok(())
    }

    pub(super) fn put_times_right(&self) -> Result<(), RepairError> {
        if is_mounted(&self.folder) { self.times.put_right() } else { Ok(()) }
    }
}

/// What is a pod's, or the host's, podman mounts elsewhere.
fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    device(folder).is_some_and(|here| folder.parent().and_then(device).is_some_and(|above| above != here))
}
