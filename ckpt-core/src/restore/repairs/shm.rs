//! The memory at /dev/shm: podman mounts it and unpacks the files in it, but leaves its root as it has mounted that.

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
    root: Entry,
    times: Times,
}

impl Shm {
    /// `None` if the archive does not say how its root was.
    pub(super) fn note(archive: &CheckpointArchive, folder: PathBuf) -> Result<Option<Self>, ArchiveError> {
        let Some(nested) = archive.entry(DEVSHM) else { return Ok(None) };
        let mut times = Times::below(folder.clone());
        let mut root = None;
        for entry in archive.nested(nested)? {
            let entry = entry?;
            times.note(&entry.member);
            if entry.member.path == b"." {
                root = Some(entry);
            }
        }
        Ok(root.map(|root| Shm { folder, root, times }))
    }

    pub(super) fn put_right(&self, archive: &CheckpointArchive) -> Result<(), RepairError> {
        if is_mounted(&self.folder) {
            let root = std::iter::once(Ok(self.root.clone()));
            extract_tree(&mut archive.source()?, root, &self.folder, ClonePolicy::IfPossible, &mut Silent)?;
        }
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
