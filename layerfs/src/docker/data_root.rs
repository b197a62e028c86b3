//! A folder with Docker's containers and layers: the data root, or the one in it for the daemon's remapped IDs.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::container::DockerContainer;
use super::error::DockerError;
use super::json::read_json_optional;
use crate::bounded_read;
use crate::ids::{IdMap, IdRange};

/// 64 hexadecimal digits, perhaps with `-init` behind them.
const MOUNT_ID_LIMIT: u64 = 4096;

/// The only driver whose layers are read here.
pub(super) const DRIVER: &str = "overlay2";

pub(super) struct DataRoot {
    pub(super) path: PathBuf,
    ids: IdMap,
}

impl DataRoot {
    /// The data root itself, then those in it for remapped IDs.
    pub(super) fn all(data_root: &Path) -> Result<Vec<Self>, DockerError> {
        let mut roots = vec![Self { path: data_root.into(), ids: IdMap::default() }];
        for name in names_in(data_root)? {
            roots.extend(parse_remapped(&name).map(|ids| Self { path: data_root.join(name), ids }));
        }
        Ok(roots)
    }

    pub(super) fn container(&self, name_or_id: &str) -> Result<Option<DockerContainer>, DockerError> {
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

    /// How the owners in a container's layer are shifted.
    pub(super) fn ids_of(&self, layer: &str) -> Result<IdMap, DockerError> {
        for id in names_in(&self.path.join("containers"))? {
            if mount_id(&self.path, &id)?.as_deref() == Some(layer) {
                return Ok(self.record(&id)?.map(|container| container.ids).unwrap_or_default());
            }
        }
        Ok(self.ids.clone())
    }

    fn record(&self, id: &str) -> Result<Option<DockerContainer>, DockerError> {
        let folder = self.path.join("containers").join(id);
        let container: Option<DockerContainer> = read_json_optional(&folder.join("config.v2.json"))?;
        let host_config: Option<HostConfig> = read_json_optional(&folder.join("hostconfig.json"))?;
        // `--userns=host`: the container sees what is on the disk.
        let is_shifted = host_config.unwrap_or_default().userns_mode != "host";
        let ids = if is_shifted { self.ids.clone() } else { IdMap::default() };
        Ok(container.map(|container| DockerContainer { data_root: self.path.clone(), ids, ..container }))
    }
}

pub(super) fn mount_id_path(data_root: &Path, container: &str) -> PathBuf {
    data_root.join("image").join(DRIVER).join("layerdb/mounts").join(container).join("mount-id")
}

/// The container's writable layer.
pub(super) fn mount_id(data_root: &Path, container: &str) -> Result<Option<String>, DockerError> {
    let layer = bounded_read::read_optional(&mount_id_path(data_root, container), MOUNT_ID_LIMIT)?;
    Ok(layer.map(|layer| String::from_utf8_lossy(&layer).trim().to_owned()))
}

/// The part of `hostconfig.json` that says whether the daemon's user namespace is its own too.
#[derive(Default, Deserialize)]
struct HostConfig {
    #[serde(rename = "UsernsMode", default)]
    userns_mode: String,
}

/// Of a folder `UID.GID`, which says where the daemon's ranges begin, not how long they are: no file has IDs behind
/// them.
fn parse_remapped(folder: &str) -> Option<IdMap> {
    let (uid, gid) = folder.split_once('.')?;
    let range = |host_id: &str| {
        let host_id = host_id.parse().ok()?;
        Some(vec![IdRange { container_id: 0, host_id, size: u32::MAX - host_id }])
    };
    Some(IdMap { uids: range(uid)?, gids: range(gid)? })
}

fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
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
