//! Finds out whether a word on the command line names an archive, a mount point or a container.

use std::path::{Path, PathBuf};

use layerfs::{LayerStore, OverlayMounts, StoreError, layers_at, layers_of_container};
pub use layerfs::{Layers, PartPaths, Store, XattrNamespace, part_paths};

/// Whose root filesystem is asked about.
#[derive(Clone, Debug)]
pub enum Operand {
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

/// Why a word means nothing here.
#[derive(Debug, thiserror::Error)]
pub enum OperandError {
    /// No store has an answer.
    #[error(transparent)]
    Store(StoreError),
    /// Nobody has a container of this name.
    #[error(
        "there is no container {name:?} in {} or {}, none runs in {}, and there is no file of that name",
        graph_root.display(), docker.display(), containerd.display()
    )]
    Unknown {
        /// As given.
        name: String,
        /// podman's storage.
        graph_root: PathBuf,
        /// Docker's.
        docker: PathBuf,
        /// containerd's state.
        containerd: PathBuf,
    },
}

impl From<StoreError> for OperandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoContainer { name, graph_root, docker, containerd } => {
                Self::Unknown { name, graph_root, docker, containerd }
            }
            error => Self::Store(error),
        }
    }
}

impl Operand {
    /// Finds out what `word` means: an existing file is an archive, a path with a slash in it a merged directory, and
    /// anything else the name or ID of a container of podman, then of Docker, then of containerd, or a merged directory
    /// of that name, or the number of a process, whose root is meant.
    ///
    /// # Errors
    /// [`OperandError`], which names the stores that were asked.
    pub fn find(word: &str) -> Result<Self, OperandError> {
        let path = Path::new(word);
        if path.is_file() {
            Ok(Self::Archive(path.into()))
        } else if word.contains('/') {
            Self::mounted_at(path)
        } else {
            match (Self::container(word), running(word)) {
                (Err(OperandError::Unknown { .. }), _) if path.is_dir() => Self::mounted_at(path),
                (Err(OperandError::Unknown { .. }), Some(pid)) => Self::of_process(pid, Path::new("/")),
                (found, _) => found,
            }
        }
    }

    /// The overlay on `merged` as the process `pid` sees it.
    ///
    /// # Errors
    /// [`OperandError::Store`].
    pub fn of_process(pid: u32, merged: &Path) -> Result<Self, OperandError> {
        let layers = OverlayMounts::of_process(pid).layers_at(merged).map_err(StoreError::from)?;
        Ok(Self::Layers { store: Store::Mounts, layers: layers.into() })
    }

    /// What of the tree is asked about, relative to its root; empty for all of it.
    pub fn part(&self) -> &Path {
        match self {
            Self::Archive(_) => Path::new(""),
            Self::Layers { layers, .. } => &layers.part,
        }
    }

    fn mounted_at(merged: &Path) -> Result<Self, OperandError> {
        let (store, layers) = layers_at(merged)?;
        Ok(Self::Layers { store, layers: layers.into() })
    }

    fn container(name: &str) -> Result<Self, OperandError> {
        let (store, layers) = layers_of_container(name)?;
        Ok(Self::Layers { store, layers: layers.into() })
    }
}

/// The process that has the number `word`.
fn running(word: &str) -> Option<u32> {
    word.parse().ok().filter(|pid| Path::new("/proc").join(u32::to_string(pid)).exists())
}
