//! Puts right what podman, its runtime and CRIU do to a container's files after they were put in place.
//!
//! podman mounts the container's root when everything is in place. Then it works on it as on the root of a new
//! container. CRIU makes sockets, and files for a while. `ckpt-core/docs/what-podman-touches.md` lists all of it.
//!
//! | at CRIU's moment | put right, through the mount |
//! |---|---|
//! | pre-restore | owner, mode and content of what podman changed; what it made where there was nothing is removed; /dev/shm is filled |
//! | pre-resume | times of directories and sockets |

mod changed_files;
mod error;
mod shm;
mod times;

use std::path::PathBuf;

use aligntar::Entry;
use layerfs::Layers;

use crate::archive::{ArchiveError, CheckpointArchive};
use crate::rootfs::{ExtractError, Socket};
use changed_files::ChangedFiles;
pub use error::RepairError;
use shm::Shm;
pub(super) use times::Times;

/// What has to be put right, noted while files are put in place.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    changed_files: Option<ChangedFiles>,
    shm: Option<Shm>,
    trees: Vec<Times>,
}

impl Repairs {
    /// Of a volume.
    pub(super) fn add_tree(&mut self, times: Times) {
        self.trees.push(times);
    }

    /// Of the memory at /dev/shm, which podman will mount at `folder` if it is the container's own.
    pub(super) fn add_shm(
        &mut self,
        archive: &CheckpointArchive,
        folder: PathBuf,
        is_own: bool,
    ) -> Result<(), ArchiveError> {
        self.shm = Shm::note(archive, folder, is_own)?;
        Ok(())
    }

    /// Of the root, as noted by `root`.
    pub(super) fn add_root(&mut self, root: Root) {
        self.changed_files = Some(root.changed_files);
        self.trees.push(root.times);
    }

    /// When all is mounted, before CRIU begins.
    pub(super) fn before_tasks(&self, archive: &CheckpointArchive) -> Result<(), RepairError> {
        self.changed_files.as_ref().map_or(Ok(()), |changed_files| changed_files.put_right(archive))?;
        self.shm.as_ref().map_or(Ok(()), |shm| shm.put_right(archive))
    }

    /// When all tasks are there, before they run.
    pub(super) fn after_tasks(&self) -> Result<(), RepairError> {
        self.trees.iter().try_for_each(Times::put_right)?;
        self.shm.as_ref().map_or(Ok(()), Shm::put_times_right)
    }
}

/// The container's root, member by member.
#[derive(Debug)]
pub(super) struct Root {
    changed_files: ChangedFiles,
    times: Times,
}

impl Root {
    pub(super) fn new(layers: &Layers) -> Self {
        let merged = layers.merged.clone().unwrap_or_else(|| layers.upperdir.with_file_name("merged"));
        Root { times: Times::below(merged.clone()), changed_files: ChangedFiles::below(merged) }
    }

    pub(super) fn note(&mut self, entry: &Entry) {
        self.times.note(&entry.member);
        self.changed_files.note(entry);
    }

    /// Notes what is known only when all members are in place. `is_complete` says whether the archive tells all that
    /// differs from the image: podman's own leave some of it out.
    pub(super) fn placed(
        &mut self,
        sockets: &[Socket],
        layers: &Layers,
        is_complete: bool,
    ) -> Result<(), ExtractError> {
        sockets.iter().filter(|socket| socket.link.is_none()).for_each(|socket| self.times.note_socket(socket));
        self.changed_files.placed(layers, is_complete)
    }
}
