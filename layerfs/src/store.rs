//! The choice between the stores: the one that knows a mount point, or a container.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::containerd::{Containerd, ContainerdError};
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
    /// What runs in containerd.
    Containerd,
    /// The mount table.
    Mounts,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ContainersStorage => "containers-storage",
            Self::Docker => "docker overlay2",
            Self::Containerd => "containerd",
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
    /// containerd's state has no answer.
    #[error(transparent)]
    Containerd(#[from] ContainerdError),
    /// The mount table has no answer.
    #[error(transparent)]
    Mounts(#[from] MountsError),
    /// No store has a container of this name.
    #[error(
        "there is no container {name:?} in {} or {}, and none runs in {}",
        graph_root.display(), docker.display(), containerd.display()
    )]
    NoContainer {
        /// As given.
        name: String,
        /// Where containers/storage keeps its containers.
        graph_root: PathBuf,
        /// Where Docker keeps its.
        docker: PathBuf,
        /// Where containerd has the state of what runs.
        containerd: PathBuf,
    },
}

/// The layers behind a merged mount point, and the store that knows them.
///
/// containers/storage is asked first, then Docker's store, then containerd, then the mount table: the stores know more
/// than the table, and the first two know it also of what is not mounted.
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
    match Containerd::from_config()?.layers_at(merged) {
        Err(ContainerdError::NotAMountPoint { .. }) => {}
        layers => return Ok((Store::Containerd, layers?)),
    }
    Ok((Store::Mounts, OverlayMounts::new().layers_at(merged)?))
}

/// The layers of the container with this name or ID, and the store that has it: containers/storage, or else Docker's, or
/// else containerd.
///
/// # Errors
/// [`StoreError::NoContainer`] if none has it; others where a store cannot be read or understood.
pub fn layers_of_container(name_or_id: &str) -> Result<(Store, Layers), StoreError> {
    let storage = ContainersStorage::from_storage_conf()?;
    if let Some(container) = storage.container(name_or_id)? {
        return Ok((Store::ContainersStorage, storage.layers_of_container(&container)?));
    }
    let (docker, containerd) = (DockerOverlay2::from_daemon_json()?, Containerd::from_config()?);
    let mut id = name_or_id.to_owned();
    if let Some(container) = docker.container(name_or_id)? {
        match docker.layers_of(&container) {
            // Of the containerd image store.
            Err(DockerError::Driver { .. }) if containerd.task(&container.id)?.is_some() => id = container.id,
            layers => return Ok((Store::Docker, layers?)),
        }
    }
    if let Some(task) = containerd.task(&id)? {
        return Ok((Store::Containerd, containerd.layers_of(&task)?));
    }
    let (graph_root, docker) = (storage.graph_root().into(), docker.data_root().into());
    let containerd = containerd.state().into();
    Err(StoreError::NoContainer { name: name_or_id.into(), graph_root, docker, containerd })
}
