//! The choice between the stores: the one that knows a mount point, or a container.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::containers_storage::{ContainersStorage, ContainersStorageError};
use crate::docker::{DockerError, DockerOverlay2};
use crate::layers::{LayerStore, Layers};
use crate::mountinfo::{MountsError, OverlayMounts};
use crate::storage_conf::StorageConfError;

/// A store, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Storage of podman, buildah and CRI-O.
    ContainersStorage,
    /// Docker's.
    Docker,
    /// The mount table.
    Mounts,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ContainersStorage => "containers-storage",
            Self::Docker => "docker overlay2",
            Self::Mounts => "overlay mount",
        })
    }
}

/// Why no store of this host has an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The configuration of the container storage cannot be read.
    #[error(transparent)]
    StorageConf(#[from] StorageConfError),
    /// The storage of podman, buildah and CRI-O has no answer.
    #[error(transparent)]
    ContainersStorage(#[from] ContainersStorageError),
    /// Docker's store has no answer.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The mount table has no answer.
    #[error(transparent)]
    Mounts(#[from] MountsError),
    /// No store has a container of this name.
    #[error("there is no container {name:?} in {} or {}", graph_root.display(), docker.display())]
    NoContainer {
        /// As given.
        name: String,
        /// Where containers/storage keeps its containers.
        graph_root: PathBuf,
        /// Where Docker keeps its.
        docker: PathBuf,
    },
}

/// The layers behind a merged mount point, and the store that knows them.
///
/// containers/storage is asked first, then Docker's store, then the mount table: the stores know more than the table,
/// and they know it also of what is not mounted.
///
/// # Errors
/// [`StoreError`] of the first store whose mount point this is, [`StoreError::Mounts`] if it is that of none.
pub fn layers_at(merged: &Path) -> Result<(Store, Layers), StoreError> {
    match ContainersStorage::from_storage_conf()?.layers_at(merged) {
        Err(ContainersStorageError::NotAMountPoint { .. }) => {}
        layers => return Ok((Store::ContainersStorage, layers?)),
    }
    match DockerOverlay2::from_daemon_json()?.layers_at(merged) {
        Err(DockerError::NotAMountPoint { .. }) => {}
        layers => return Ok((Store::Docker, layers?)),
    }
    Ok((Store::Mounts, OverlayMounts::new().layers_at(merged)?))
}

/// The layers of the container with this name or ID, and the store that has it: containers/storage, or else Docker's.
///
/// # Errors
/// [`StoreError::NoContainer`] if neither has it; others where a store cannot be read or understood.
pub fn layers_of_container(name_or_id: &str) -> Result<(Store, Layers), StoreError> {
    let storage = ContainersStorage::from_storage_conf()?;
    if let Some(container) = storage.container(name_or_id)? {
        return Ok((Store::ContainersStorage, storage.layers_of_container(&container)?));
    }
    let docker = DockerOverlay2::from_daemon_json()?;
    if let Some(container) = docker.container(name_or_id)? {
        return Ok((Store::Docker, docker.layers_of(&container)?));
    }
    let (graph_root, docker) = (storage.graph_root().into(), docker.data_root().into());
    Err(StoreError::NoContainer { name: name_or_id.into(), graph_root, docker })
}
