//! Why a mount table has no answer.

use std::path::PathBuf;

use crate::bounded_read::ReadError;

/// [`OverlayMounts`](crate::OverlayMounts) has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountsError {
    /// The mount table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The process is gone, or there is no `/proc`.
    #[error("there is no mount table {}", path.display())]
    NoTable {
        /// The file looked for.
        path: PathBuf,
    },
    /// The map of a user namespace is not as the kernel writes it.
    #[error("{} is malformed", path.display())]
    IdMap {
        /// The file.
        path: PathBuf,
    },
    /// A line has too few fields.
    #[error("line {line} of the mount table is malformed")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
    /// Nothing is mounted there.
    #[error("nothing is mounted on {}", path.display())]
    NotMounted {
        /// The path asked for.
        path: PathBuf,
    },
    /// What is mounted there is not an overlay of the kernel.
    #[error("the mount on {} is of type {fs_type}, not overlay", path.display())]
    NotOverlay {
        /// The mount point.
        path: PathBuf,
        /// The filesystem type.
        fs_type: String,
    },
    /// A user-space overlay. The mount table does not name its layers.
    #[error("the mount on {} is made by fuse-overlayfs", path.display())]
    FuseOverlayfs {
        /// The mount point.
        path: PathBuf,
    },
    /// A read-only overlay: there is no upperdir.
    #[error("the overlay on {} has no upperdir", path.display())]
    NoUpperdir {
        /// The mount point.
        path: PathBuf,
    },
    /// A bind mount of something that was deleted since.
    #[error("what is mounted on {} was deleted from its overlay", path.display())]
    Deleted {
        /// The mount point.
        path: PathBuf,
    },
    /// A layer was given relative to the working directory of whoever mounted. No folder fits, or more than one does.
    #[error("the overlay on {} has the relative layer {}, and nothing tells what it is relative to", path.display(), option.display())]
    RelativeLayer {
        /// The mount point.
        path: PathBuf,
        /// The first relative one.
        option: PathBuf,
    },
}
