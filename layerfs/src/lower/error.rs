//! Why a lookup through the lower layers failed.

use std::path::PathBuf;

use crate::access::AccessError;

/// A lookup through the lower layers failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A layer could not be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The path is absolute, or has a `..`.
    #[error("{} is not a plain path below the root", path.display())]
    UnsafePath {
        /// The path as given.
        path: PathBuf,
    },
    /// A metacopy file has no data in any layer below it.
    #[error("{} is a metacopy file, but no layer below it has its data", path.display())]
    NoData {
        /// The metacopy file.
        path: PathBuf,
    },
}
