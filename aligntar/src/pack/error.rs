//! Why a tree could not be packed.

use rustix::io::Errno;

use crate::inode::InodeError;
use crate::shown::ShownName;
use crate::writer::WriteError;

/// Why a tree could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// An inode could not be read.
    #[error(transparent)]
    Inode(#[from] InodeError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A directory could not be read.
    #[error("read directory {path:?}")]
    ReadDir {
        /// Its path in the archive.
        path: ShownName,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// A file's size or times changed while it was read. The archive may hold parts of it from different moments.
    #[error("{path:?} changed while it was read")]
    Changed {
        /// The member's path.
        path: ShownName,
    },
}
