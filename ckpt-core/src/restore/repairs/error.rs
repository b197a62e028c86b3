//! Why a change could not be put right.

use std::path::PathBuf;

use aligntar::InodeError;
use rustix::io::Errno;

use crate::archive::ArchiveError;
use crate::rootfs::ExtractError;

/// Why a change could not be put right.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// A file could not be looked at, or not be changed.
    #[error("{call} {}", path.display())]
    Call {
        /// What was tried.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// The container's root, or its /dev/shm, is mounted where this program does not see it.
    #[error("podman has mounted nothing at {}", path.display())]
    NotMounted {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error(transparent)]
    Inode(#[from] InodeError),
    /// The archive could not be read again.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file could not be made again.
    #[error(transparent)]
    Place(#[from] ExtractError),
}
