//! Why a containers/storage store has no answer.

use std::path::PathBuf;

use crate::bounded_read::ReadError;
use crate::layer_dirs::LayerDirError;

/// [`ContainersStorage`](crate::ContainersStorage) has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainersStorageError {
    /// A file of the store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The directories of a layer cannot be found or understood.
    #[error(transparent)]
    Layers(#[from] LayerDirError),
    /// A record file is not the JSON expected.
    #[error("cannot parse {}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The store's driver keeps layers in another form.
    #[error("the storage driver is {driver}, not overlay")]
    Driver {
        /// Its name.
        driver: String,
    },
    /// Layers are mounted by a program (fuse-overlayfs), which has markers of its own.
    #[error("layers are mounted by {}, not by the kernel", program.display())]
    MountProgram {
        /// The program.
        program: PathBuf,
    },
    /// There is no store.
    #[error("there is no container storage in {}", graph_root.display())]
    NoStore {
        /// The graph root.
        graph_root: PathBuf,
    },
    /// The path is no mount point of this store.
    #[error("{} is not the merged directory of a layer in this storage", path.display())]
    NotAMountPoint {
        /// The path asked for.
        path: PathBuf,
    },
}
