//! Why a walk ended early.

use std::path::PathBuf;

use crate::access::AccessError;
use crate::lower::LowerError;

/// The upperdir could not be compared with its lower layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// A file of the upperdir could not be read; it may have vanished meanwhile.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The lower layers could not be read.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// With `index=on`, a change of a lower file with several names shows under all of them. Only the index, a folder
    /// next to the workdir, knows these names. Container engines mount without it.
    #[error(
        "{} was changed together with other names of the same lower file (index=on), and its upperdir does not name them",
        path.display()
    )]
    Indexed {
        /// The file in the upperdir.
        path: PathBuf,
    },
    /// A metacopy file's data is in no lower layer.
    #[error("{} is a metacopy file, but no lower layer has its data", path.display())]
    NoData {
        /// The file in the upperdir.
        path: PathBuf,
    },
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError<E> {
    /// The walk itself failed.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The visitor returned this.
    #[error("{0}")]
    Visit(E),
}
