//! Why a change of an upperdir failed.

use std::path::PathBuf;

use rustix::io::Errno;

use crate::access::AccessError;
use crate::lower::LowerError;

/// A change of the upperdir failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The upperdir could not be looked at.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The lower layers could not be looked at.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The path is absolute or has a `..`.
    #[error("{} is not a plain path below the root", path.display())]
    UnsafePath {
        /// The path as given.
        path: PathBuf,
    },
    /// The root itself cannot be deleted.
    #[error("the root directory cannot be deleted")]
    Root,
    /// A symlink stands where a directory is needed.
    #[error("{} is a symlink where a directory is needed", path.display())]
    Symlink {
        /// The symlink, relative to the container's root.
        path: PathBuf,
    },
    /// Something else that is not a directory stands where one is needed.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// What stands there, relative to the container's root.
        path: PathBuf,
    },
    /// The container's user namespace has no such user or group.
    #[error("{} belongs to {}:{}, whom the user namespace does not have", path.display(), owner.0, owner.1)]
    Owner {
        /// Relative to the container's root.
        path: PathBuf,
        /// User and group as the container is to see them.
        owner: (u32, u32),
    },
    /// An xattr names users or groups that the container's user namespace does not have.
    #[error("{name} of {} names IDs that the user namespace does not have", path.display())]
    XattrIds {
        /// Relative to the container's root.
        path: PathBuf,
        /// The xattr.
        name: String,
    },
    /// The kernel refused a change.
    #[error("cannot {operation} {}", path.display())]
    Change {
        /// What was tried: "make the whiteout", "make the directory", …
        operation: &'static str,
        /// On the host.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
}
