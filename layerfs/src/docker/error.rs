//! Why Docker's store has no answer.

use std::io;
use std::path::PathBuf;

use crate::bounded_read::ReadError;
use crate::layer_dirs::LayerDirError;

/// [`DockerOverlay2`](crate::DockerOverlay2) has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is not the JSON expected.
    #[error("cannot parse {}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A folder of the store cannot be listed.
    #[error("cannot list {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The container's layers are kept in another form.
    #[error("the storage driver of container {container} is {driver}, not overlay2")]
    Driver {
        /// Its ID.
        container: String,
        /// Its driver.
        driver: String,
    },
    /// The container has no record of its writable layer.
    #[error("container {container} has no mount-id in {}", path.display())]
    NoMountId {
        /// Its ID.
        container: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The layers cannot be understood.
    #[error(transparent)]
    Layers(#[from] LayerDirError),
    /// The path is no mount point of this store.
    #[error("{} is not the merged directory of a layer of Docker", path.display())]
    NotAMountPoint {
        /// The path asked for.
        path: PathBuf,
    },
}
