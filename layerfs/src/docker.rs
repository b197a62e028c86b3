//! Docker's `overlay2` store, read as it lies on disk.
//!
//! ```text
//! data_root/
//!   containers/ID/config.v2.json                  the container's name and storage driver
//!   image/overlay2/layerdb/mounts/ID/mount-id     the name of its writable layer
//!   overlay2/LAYER/{diff,link,lower,work,merged}  as in containers/storage, which began as a copy of this
//!   overlay2/l/SHORT -> ../LAYER/diff
//!   UID.GID/                                      the same once more, of a daemon with `userns-remap`
//! ```
//!
//! With `userns-remap` all owners are shifted by UID and GID, those of image layers as well. Source: `layer/filestore.go`, `container/container.go`,
//! `daemon/daemon_unix.go` and `daemon/graphdriver/overlay2` of moby. Containers of the
//! containerd image store (driver `overlayfs`) have no place here: while they run, ask [`OverlayMounts`].
//!
//! [`OverlayMounts`]: crate::OverlayMounts

mod home;

use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::bounded_read::{self, ReadError};
use crate::containers_storage::{ContainersStorageError, LayerDirs};
use crate::ids::IdMap;
use crate::store::{LayerStore, Layers, StoreError};
use home::Home;

/// The only driver whose layers are read here.
const DRIVER: &str = "overlay2";

/// Where dockerd keeps everything unless told otherwise.
const DATA_ROOT: &str = "/var/lib/docker";

/// Where it is told otherwise.
const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// A container's description is some KiB; its environment and labels are its maker's.
const CONFIG_LIMIT: u64 = 16 << 20;

/// Docker's store has no answer.
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
    Layers(#[from] ContainersStorageError),
    /// The path is no mount point of this store.
    #[error("{} is not the merged directory of a layer of Docker", path.display())]
    NotAMountPoint {
        /// The path asked for.
        path: PathBuf,
    },
}

/// The store of one dockerd.
#[derive(Clone, Debug)]
pub struct DockerOverlay2 {
    data_root: PathBuf,
}

/// A container as Docker records it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DockerContainer {
    /// 64 hexadecimal digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, with a slash before it.
    #[serde(rename = "Name", default)]
    pub name: String,
    /// The storage driver it was made with.
    #[serde(rename = "Driver", default)]
    pub driver: String,
    /// The data root, or the folder for remapped IDs in it.
    #[serde(skip)]
    home: PathBuf,
    /// Its user namespace.
    #[serde(skip)]
    ids: IdMap,
}

#[derive(Deserialize)]
struct DaemonJson {
    #[serde(rename = "data-root")]
    data_root: Option<PathBuf>,
}

impl DockerOverlay2 {
    /// The store in this folder.
    pub fn new(data_root: impl Into<PathBuf>) -> Self {
        Self { data_root: data_root.into() }
    }

    /// The store that this machine's `daemon.json` names, `/var/lib/docker` by default.
    ///
    /// # Errors
    /// [`DockerError::Json`] if that file is none.
    pub fn from_daemon_json() -> Result<Self, DockerError> {
        let path = Path::new(DAEMON_JSON);
        let json: Option<DaemonJson> = read_json_optional(path)?;
        Ok(Self::new(json.and_then(|json| json.data_root).unwrap_or_else(|| DATA_ROOT.into())))
    }

    /// The folder of everything.
    pub fn data_root(&self) -> &Path {
        &self.data_root
    }

    /// The container with this full ID or exactly this name.
    ///
    /// # Errors
    /// [`DockerError`] when a container's record cannot be read or parsed.
    pub fn container(&self, name_or_id: &str) -> Result<Option<DockerContainer>, DockerError> {
        for home in self.homes()? {
            if let Some(container) = home.container(name_or_id)? {
                return Ok(Some(container));
            }
        }
        Ok(None)
    }

    /// The directories of a container, running or not.
    ///
    /// # Errors
    /// [`DockerError::Driver`] for other storage drivers; others where the store is damaged.
    pub fn layers_of(&self, container: &DockerContainer) -> Result<Layers, DockerError> {
        if container.driver != DRIVER {
            let DockerContainer { id, driver, .. } = container.clone();
            return Err(DockerError::Driver { container: id, driver });
        }
        let (home, id) = (&container.home, &container.id);
        let layer = home::mount_id(home, id)?;
        let layer = layer
            .ok_or_else(|| DockerError::NoMountId { container: id.clone(), path: home::mount_id_path(home, id) })?;
        layers_in(home, &layer, &container.ids)
    }

    fn homes(&self) -> Result<Vec<Home>, DockerError> {
        Home::all(&self.data_root)
    }
}

fn layers_in(home: &Path, layer: &str, ids: &IdMap) -> Result<Layers, DockerError> {
    let mut layers = LayerDirs::new(vec![home.join(DRIVER)]).layers_of(layer)?;
    if !ids.is_identity() {
        layers.lower_ids = vec![ids.clone(); layers.lowerdirs.len()];
        layers.ids = ids.clone();
    }
    Ok(layers)
}

impl LayerStore for DockerOverlay2 {
    /// `merged` is `data_root/overlay2/LAYER/merged`, mounted or not.
    fn layers_at(&self, merged: &Path) -> Result<Layers, StoreError> {
        let not_ours = || DockerError::NotAMountPoint { path: merged.into() };
        let resolved = merged.canonicalize().unwrap_or_else(|_| merged.into());
        for home in self.homes()? {
            let layers = home.path.join(DRIVER);
            let Ok(inside) = resolved.strip_prefix(layers.canonicalize().unwrap_or(layers)) else { continue };
            if let [Component::Normal(layer), Component::Normal(name)] = inside.components().collect::<Vec<_>>()[..]
                && name == "merged"
            {
                let layer = layer.to_str().ok_or_else(not_ours)?;
                return Ok(layers_in(&home.path, layer, &home.ids_of(layer)?)?);
            }
        }
        Err(not_ours().into())
    }
}

fn read_json_optional<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, DockerError> {
    let Some(bytes) = bounded_read::read_optional(path, CONFIG_LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| DockerError::Json { path: path.into(), source })
}
