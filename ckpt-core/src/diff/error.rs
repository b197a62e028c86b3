//! Why there is no diff.

use std::path::PathBuf;

use layerfs::{ContainersStorageError, DiffError, LowerError, StorageConfError};

use crate::archive::ArchiveError;
use crate::rootfs::CaptureError;

/// Why there is no diff.
#[derive(Debug, thiserror::Error)]
pub enum DifferenceError<E> {
    /// The overlay could not be read.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The image's layers could not be read.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// A file could not be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The configuration of the container storage cannot be read.
    #[error(transparent)]
    StorageConf(#[from] StorageConfError),
    /// The storage that should have the image cannot be read.
    #[error(transparent)]
    Storage(#[from] ContainersStorageError),
    /// Different parts of two trees have nothing in common.
    #[error("/{} and /{} are different parts of their trees: compare two of the same", old.display(), new.display())]
    Parts {
        /// What of the old tree was asked about.
        old: PathBuf,
        /// What of the new one.
        new: PathBuf,
    },
    /// The visitor returned this.
    #[error("{0}")]
    Visit(E),
}
