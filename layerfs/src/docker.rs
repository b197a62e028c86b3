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

use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::bounded_read::{self, ReadError};
use crate::containers_storage::{ContainersStorageError, LayerDirs};
use crate::ids::{IdMap, IdRange};
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
    /// The data root, or the folder for remapped IDs in it.
    #[serde(skip)]
    home: PathBuf,
    /// Its user namespace.
    #[serde(skip)]
    ids: IdMap,
}

/// The part of `hostconfig.json` that says whether the daemon's user namespace is its own too.
#[derive(Default, Deserialize)]
struct HostConfig {
    #[serde(rename = "UsernsMode", default)]
    userns_mode: String,
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
        let mounts = container.home.join("image").join(DRIVER).join("layerdb/mounts");
        let path = mounts.join(&container.id).join("mount-id");
        let layer = bounded_read::read_optional(&path, MOUNT_ID_LIMIT)?;
        let layer = layer.ok_or_else(|| DockerError::NoMountId { container: container.id.clone(), path })?;
        layers_in(&container.home, String::from_utf8_lossy(&layer).trim(), &container.ids)
    }

    /// The data root itself, then those in it for remapped IDs.
    fn homes(&self) -> Result<Vec<Home>, DockerError> {
        let mut homes = vec![Home { path: self.data_root.clone(), ids: IdMap::default() }];
        for name in names_in(&self.data_root)? {
            homes.extend(parse_remapped(&name).map(|ids| Home { path: self.data_root.join(name), ids }));
        }
        Ok(homes)
    }
}

/// A folder with containers and layers.
struct Home {
    path: PathBuf,
    ids: IdMap,
}

impl Home {
    fn container(&self, name_or_id: &str) -> Result<Option<DockerContainer>, DockerError> {
        if is_plain_name(name_or_id)
            && let Some(container) = self.record(name_or_id)?
        {
            return Ok(Some(container));
        }
        for id in names_in(&self.path.join("containers"))? {
            let container = self.record(&id)?;
            if let Some(container) = container.filter(|container| container.name.trim_start_matches('/') == name_or_id)
            {
                return Ok(Some(container));
            }
        }
        Ok(None)
    }

    fn record(&self, id: &str) -> Result<Option<DockerContainer>, DockerError> {
        let folder = self.path.join("containers").join(id);
        let container: Option<DockerContainer> = read_json_optional(&folder.join("config.v2.json"))?;
        let host_config: Option<HostConfig> = read_json_optional(&folder.join("hostconfig.json"))?;
        // `--userns=host`: the container sees what is on the disk.
        let is_shifted = host_config.unwrap_or_default().userns_mode != "host";
        let ids = if is_shifted { self.ids.clone() } else { IdMap::default() };
        Ok(container.map(|container| DockerContainer { home: self.path.clone(), ids, ..container }))
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

/// Of a folder `UID.GID`, which says where the daemon's ranges begin, not how long they are: no file has IDs behind them.
fn parse_remapped(folder: &str) -> Option<IdMap> {
    let (uid, gid) = folder.split_once('.')?;
    let range = |host_id: &str| {
        let host_id = host_id.parse().ok()?;
        Some(vec![IdRange { container_id: 0, host_id, size: u32::MAX - host_id }])
    };
    Some(IdMap { uids: range(uid)?, gids: range(gid)? })
}

/// Sorted; none if there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>, DockerError> {
    let failed = |source| DockerError::List { path: folder.into(), source };
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

impl LayerStore for DockerOverlay2 {
    /// `merged` is `data_root/overlay2/LAYER/merged`, mounted or not.
    fn layers_at(&self, merged: &Path) -> Result<Layers, StoreError> {
        let not_ours = || DockerError::NotAMountPoint { path: merged.into() };
        let resolved = merged.canonicalize().unwrap_or_else(|_| merged.into());
        for Home { path, ids } in self.homes()? {
            let layers = path.join(DRIVER);
            let Ok(inside) = resolved.strip_prefix(layers.canonicalize().unwrap_or(layers)) else { continue };
            if let [Component::Normal(layer), Component::Normal(name)] = inside.components().collect::<Vec<_>>()[..]
                && name == "merged"
            {
                return Ok(layers_in(&path, layer.to_str().ok_or_else(not_ours)?, &ids)?);
            }
        }
        Err(not_ours().into())
    }
}

fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

fn read_json_optional<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, DockerError> {
    let Some(bytes) = bounded_read::read_optional(path, CONFIG_LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| DockerError::Json { path: path.into(), source })
}
