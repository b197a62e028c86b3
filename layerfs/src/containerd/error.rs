//! Why containerd's state has no answer.

use std::io;
use std::path::PathBuf;

use crate::bounded_read::ReadError;
use crate::mountinfo::MountsError;

/// [`Containerd`](crate::Containerd) has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerdError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The configuration is not TOML.
    #[error("cannot parse {}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: toml::de::Error,
    },
    /// A folder of the state cannot be listed.
    #[error("cannot list {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Several containers have the ID.
    #[error("the namespaces {} of containerd each have a container {id}: name it by the number of its process", namespaces.join(", "))]
    Ambiguous {
        /// As given.
        id: String,
        /// Where they are.
        namespaces: Vec<String>,
    },
    /// The container's root is not what an overlay shows, or it has ended.
    #[error(transparent)]
    Mounts(#[from] MountsError),
    /// The path is no mount point of this store.
    #[error("{} is not the root of a running container of containerd", path.display())]
    NotAMountPoint {
        /// The path asked for.
        path: PathBuf,
    },
}
