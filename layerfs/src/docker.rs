//! Docker's `overlay2` store, read as it lies on disk.
//!
//! ```text
//! data_root/
//!   containers/ID/config.v2.json                  the container's name and storage driver
//!   image/overlay2/layerdb/mounts/ID/mount-id     the name of its writable layer
//!   overlay2/LAYER/{diff,link,lower,work,merged}  as in containers/storage, which began as a copy of this
//!   overlay2/l/SHORT -> ../LAYER/diff
//! ```
//!
//! Source: `layer/filestore.go`, `container/container.go` and `daemon/graphdriver/overlay2` of moby. Containers of the
//! containerd image store (driver `overlayfs`) have no place here: while they run, ask [`OverlayMounts`].
//!
//! [`OverlayMounts`]: crate::OverlayMounts

use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::bounded_read::{self, ReadError};
use crate::containers_storage::{ContainersStorageError, LayerDirs};
use crate::store::{LayerStore, Layers, StoreError};

/// The only driver whose layers are read here.
const DRIVER: &str = "overlay2";

/// Where dockerd keeps everything unless told otherwise.
const DATA_ROOT: &str = "/var/lib/docker";

/// Where it is told otherwise.
const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// A container's description is some KiB; its environment and labels are its maker's.
const CONFIG_LIMIT: u64 = 16 << 20;

/// 64 hexadecimal digits, perhaps with `-init` behind them.
const MOUNT_ID_LIMIT: u64 = 4096;

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
        if is_plain_name(name_or_id)
            && let Some(container) = self.record(name_or_id)?
        {
            return Ok(Some(container));
        }
        for id in self.container_ids()? {
            let container = self.record(&id)?;
            if let Some(container) = container.filter(|container| container.name.trim_start_matches('/') == name_or_id)
            {
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
        let path =
            self.data_root.join("image").join(DRIVER).join("layerdb/mounts").join(&container.id).join("mount-id");
        let layer = bounded_read::read_optional(&path, MOUNT_ID_LIMIT)?;
        let layer = layer.ok_or_else(|| DockerError::NoMountId { container: container.id.clone(), path })?;
        self.layers(String::from_utf8_lossy(&layer).trim())
    }

    fn layers(&self, layer: &str) -> Result<Layers, DockerError> {
        Ok(LayerDirs::new(vec![self.home()]).layers_of(layer)?)
    }

    fn home(&self) -> PathBuf {
        self.data_root.join(DRIVER)
    }

    fn containers(&self) -> PathBuf {
        self.data_root.join("containers")
    }

    fn record(&self, id: &str) -> Result<Option<DockerContainer>, DockerError> {
        read_json_optional(&self.containers().join(id).join("config.v2.json"))
    }

    fn container_ids(&self) -> Result<Vec<String>, DockerError> {
        let path = self.containers();
        let failed = |source| DockerError::List { path: path.clone(), source };
        let entries = match path.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            ids.extend(entry.map_err(failed)?.file_name().into_string());
        }
        ids.sort();
        Ok(ids)
    }
}

impl LayerStore for DockerOverlay2 {
    /// `merged` is `data_root/overlay2/LAYER/merged`, mounted or not.
    fn layers_at(&self, merged: &Path) -> Result<Layers, StoreError> {
        let not_ours = || DockerError::NotAMountPoint { path: merged.into() };
        let resolved = merged.canonicalize().unwrap_or_else(|_| merged.into());
        let home = self.home().canonicalize().unwrap_or_else(|_| self.home());
        let inside = resolved.strip_prefix(&home).map_err(|_| not_ours())?;
        match inside.components().collect::<Vec<_>>()[..] {
            [Component::Normal(layer), Component::Normal(name)] if name == "merged" => {
                Ok(self.layers(layer.to_str().ok_or_else(not_ours)?)?)
            }
            _ => Err(not_ours().into()),
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

fn read_json_optional<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, DockerError> {
    let Some(bytes) = bounded_read::read_optional(path, CONFIG_LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| DockerError::Json { path: path.into(), source })
}
