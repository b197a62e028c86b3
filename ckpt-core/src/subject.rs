//! What a word on the command line means: an archive, a mount point, a container.

use std::fmt;
use std::path::{Path, PathBuf};

use layerfs::{
    ContainersStorage, ContainersStorageError, DockerError, DockerOverlay2, LayerStore, OverlayMounts,
    StorageConfError, StoreError,
};
pub use layerfs::{Layers, PartPlaces, XattrNamespace, part_places};

/// Whose root filesystem is asked about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A checkpoint archive.
    Archive(PathBuf),
    /// A container or a mount, by its layers.
    Layers {
        /// The store that knows it.
        store: Store,
        /// Its layers.
        layers: Box<Layers>,
    },
}

/// Where layers were found.
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

/// Why a word means nothing here.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The configuration of the container storage cannot be read.
    #[error(transparent)]
    StorageConf(#[from] StorageConfError),
    /// podman's storage has no answer.
    #[error(transparent)]
    Storage(#[from] ContainersStorageError),
    /// Docker's store has no answer.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The path is no merged directory.
    #[error(transparent)]
    Path(#[from] StoreError),
    /// Nobody has a container of this name.
    #[error("there is no container {name:?} in {} or {}, and no file of that name", graph_root.display(), docker.display())]
    Unknown {
        /// As given.
        name: String,
        /// podman's storage.
        graph_root: PathBuf,
        /// Docker's.
        docker: PathBuf,
    },
}

impl Subject {
    /// Finds out what `word` means: an existing file is an archive, a path with a slash in it a merged directory, and
    /// anything else the name or ID of a container of podman, then of Docker, or a merged directory of that name.
    ///
    /// # Errors
    /// [`SubjectError`], which names the stores that were asked.
    pub fn find(word: &str) -> Result<Self, SubjectError> {
        let path = Path::new(word);
        if path.is_file() {
            Ok(Self::Archive(path.into()))
        } else if word.contains('/') {
            Self::mounted_at(path)
        } else {
            match Self::container(word) {
                Err(SubjectError::Unknown { .. }) if path.is_dir() => Self::mounted_at(path),
                found => found,
            }
        }
    }

    /// The overlay on `merged` as the process `pid` sees it.
    ///
    /// # Errors
    /// [`SubjectError::Path`].
    pub fn of_process(pid: u32, merged: &Path) -> Result<Self, SubjectError> {
        let layers = OverlayMounts::of_process(pid).layers_at(merged)?;
        Ok(Self::Layers { store: Store::Mounts, layers: layers.into() })
    }

    /// What of the tree is asked about, relative to its root; empty for all of it.
    pub fn part(&self) -> &Path {
        match self {
            Self::Archive(_) => Path::new(""),
            Self::Layers { layers, .. } => &layers.part,
        }
    }

    /// The stores know more than the mount table, and know it also of what is not mounted.
    fn mounted_at(merged: &Path) -> Result<Self, SubjectError> {
        let found = |store, layers: Layers| Ok(Self::Layers { store, layers: layers.into() });
        let storage = ContainersStorage::from_storage_conf()?;
        match storage.layers_at(merged) {
            Err(StoreError::ContainersStorage(ContainersStorageError::NotAMountPoint { .. })) => {}
            layers => return found(Store::ContainersStorage, layers?),
        }
        match DockerOverlay2::from_daemon_json()?.layers_at(merged) {
            Err(StoreError::Docker(DockerError::NotAMountPoint { .. })) => {}
            layers => return found(Store::Docker, layers?),
        }
        found(Store::Mounts, OverlayMounts::new().layers_at(merged)?)
    }

    fn container(name: &str) -> Result<Self, SubjectError> {
        let storage = ContainersStorage::from_storage_conf()?;
        if let Some(container) = storage.container(name)? {
            let layers = storage.layers_of_container(&container)?;
            return Ok(Self::Layers { store: Store::ContainersStorage, layers: layers.into() });
        }
        let docker = DockerOverlay2::from_daemon_json()?;
        if let Some(container) = docker.container(name)? {
            let layers = docker.layers_of(&container)?;
            return Ok(Self::Layers { store: Store::Docker, layers: layers.into() });
        }
        let (graph_root, docker) = (storage.graph_root().into(), docker.data_root().into());
        Err(SubjectError::Unknown { name: name.into(), graph_root, docker })
    }
}
