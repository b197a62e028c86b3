//! Writes into an upperdir what only an overlay can express: copied-up parents, whiteouts, opaque directories.
//!
//! The upperdir must not be mounted. An overlay caches what it looked up, so a live mount sees later changes in part or
//! not at all (`Documentation/filesystems/overlayfs.rst`, "Changes to underlying filesystems").
//!
//! Paths are relative to the container's root and may come from an untrusted archive. They are resolved one name at a
//! time; `..`, absolute paths and symlinks on the way are errors.

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
