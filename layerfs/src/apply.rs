//! Builds in an upperdir what only an overlay can say: copied-up parents, whiteouts, opaque directories.
//!
//! The upperdir must not be mounted: an overlay caches what it looked up, so changes below a live mount are not seen,
//! or seen in part (`Documentation/filesystems/overlayfs.rst`, "Changes to underlying filesystems").
//!
//! Paths are relative to the container's root and may come from an untrusted archive. They are resolved one name at a
//! time; `..`, absolute paths and symlinks on the way are named errors.

mod copy_up;
mod deletion;
mod error;
mod find;
mod ids;
mod nodes;
mod upperdir;

pub use deletion::Deletion;
pub use error::ApplyError;
pub use nodes::NodeAttributes;
pub use upperdir::Upperdir;
