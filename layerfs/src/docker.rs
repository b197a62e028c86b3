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
//! `userns-remap` shifts all owners by UID and GID, those of image layers as well. Containers of the containerd image
//! store (driver `overlayfs`) are not kept here; while they run, ask [`OverlayMounts`].
//!
//! Source: `layer/filestore.go`, `container/container.go`, `daemon/daemon_unix.go` and `daemon/graphdriver/overlay2` of
//! moby.
//!
//! [`OverlayMounts`]: crate::OverlayMounts

mod container;
mod data_root;
mod error;
mod json;

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::ids::IdMap;
use crate::layer_dirs::LayerDirs;
use crate::layers::{LayerStore, Layers};
pub use container::DockerContainer;
use data_root::{DRIVER, DataRoot};
pub use error::DockerError;
use json::read_json_optional;

/// Where dockerd keeps everything by default.
const DATA_ROOT: &str = "/var/lib/docker";

/// The file that names another data root.
const DAEMON_JSON: &str = "/etc/docker/daemon.json";

/// The store of one dockerd.
#[derive(Clone, Debug)]
pub struct DockerOverlay2 {
    data_root: PathBuf,
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
    /// [`DockerError::Json`] if that file is not JSON.
    pub fn from_daemon_json() -> Result<Self, DockerError> {
        let path = Path::new(DAEMON_JSON);
        let json: Option<DaemonJson> = read_json_optional(path)?;
        Ok(Self::new(json.and_then(|json| json.data_root).unwrap_or_else(|| DATA_ROOT.into())))
    }

    /// The folder that holds everything.
    pub fn data_root(&self) -> &Path {
        &self.data_root
    }

    /// The container with this full ID or exactly this name.
    ///
    /// # Errors
    /// [`DockerError`] when a container's record cannot be read or parsed.
    pub fn container(&self, name_or_id: &str) -> Result<Option<DockerContainer>, DockerError> {
        for root in self.data_roots()? {
            if let Some(container) = root.container(name_or_id)? {
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
        let (root, id) = (&container.data_root, &container.id);
        let layer = data_root::mount_id(root, id)?;
        let layer = layer.ok_or_else(|| DockerError::NoMountId {
            container: id.clone(),
            path: data_root::mount_id_path(root, id),
        })?;
        layers_in(root, &layer, &container.ids)
    }

    fn data_roots(&self) -> Result<Vec<DataRoot>, DockerError> {
        DataRoot::all(&self.data_root)
    }
}

fn layers_in(data_root: &Path, layer: &str, ids: &IdMap) -> Result<Layers, DockerError> {
    let mut layers = LayerDirs::new(vec![data_root.join(DRIVER)]).layers_of(layer)?;
    if !ids.is_identity() {
        layers.lower_ids = vec![ids.clone(); layers.lowerdirs.len()];
        layers.ids = ids.clone();
    }
    Ok(layers)
}

impl LayerStore for DockerOverlay2 {
    type Error = DockerError;

    /// `merged` is `data_root/overlay2/LAYER/merged`, mounted or not.
    fn layers_at(&self, merged: &Path) -> Result<Layers, DockerError> {
        let not_ours = || DockerError::NotAMountPoint { path: merged.into() };
        let resolved = merged.canonicalize().unwrap_or_else(|_| merged.into());
        for root in self.data_roots()? {
            let layers = root.path.join(DRIVER);
            let Ok(inside) = resolved.strip_prefix(layers.canonicalize().unwrap_or(layers)) else { continue };
            if let [Component::Normal(layer), Component::Normal(name)] = inside.components().collect::<Vec<_>>()[..]
                && name == "merged"
            {
                let layer = layer.to_str().ok_or_else(not_ours)?;
                return layers_in(&root.path, layer, &root.ids_of(layer)?);
            }
        }
        Err(not_ours())
    }
}
