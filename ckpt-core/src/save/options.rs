//! What to save, and what came of it.

use std::path::PathBuf;

use aligntar::ClonePolicy;

use crate::checkpoint::CheckpointReport;
use crate::dedup::Shared;
use crate::host::interrupt::Interrupt;
use crate::store::Tag;

/// The longest note.
pub(super) const NOTE_BYTES: usize = 4096;

/// What to save, and how it is found again.
#[derive(Clone, Debug, Default)]
pub struct SaveOptions {
    /// Name or ID of a container.
    pub container: String,
    /// The store's folder, where it is not the usual one.
    pub store: Option<PathBuf>,
    /// What it is found by.
    pub tags: Vec<Tag>,
    /// Anything.
    pub note: String,
    /// Take established TCP connections along.
    pub tcp_established: bool,
    /// Take file locks along.
    pub file_locks: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work.
    pub interrupt: Option<Interrupt>,
}

/// What a save did.
#[derive(Clone, Debug)]
pub struct SaveReport {
    /// The container's name.
    pub container: String,
    /// The save's ID.
    pub id: String,
    /// The archive.
    pub path: PathBuf,
    /// Of the checkpoint.
    pub checkpoint: CheckpointReport,
    /// What it has in common with the save before it, if there is one and they can share blocks.
    pub shared: Option<Shared>,
}
