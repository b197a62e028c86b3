//! Storage drivers whose layers are no overlay directories. They are recognised, so that the refusal names them.
//!
//! Each keeps its records in folders of its name, as overlay does, and its files in another one:
//! `vfs/dir/LAYER`, `btrfs/subvolumes/LAYER`, `zfs/graph/LAYER`.

use std::path::Path;

use super::error::ContainersStorageError;
use super::record_files::{find_record, record_files};
use crate::storage_conf::StorageConf;

/// All drivers that containers/storage ever had, but for overlay.
const DRIVERS: [&str; 5] = ["vfs", "btrfs", "zfs", "devicemapper", "aufs"];

/// Those that this store has layers of; only the configured one, if one is configured.
pub(super) fn drivers(conf: &StorageConf) -> impl Iterator<Item = &'static str> {
    let chosen = |driver: &&str| conf.driver.as_deref().is_none_or(|chosen| chosen == *driver);
    let has_layers = |driver: &&str| conf.graph_root.join(format!("{driver}-layers")).is_dir();
    DRIVERS.into_iter().filter(chosen).filter(has_layers)
}

/// An error if one of them has the container.
pub(super) fn refuse_container(conf: &StorageConf, name_or_id: &str) -> Result<(), ContainersStorageError> {
    for driver in drivers(conf) {
        if find_record(&record_files(conf, driver, "containers"), name_or_id)?.is_some() {
            return Err(ContainersStorageError::Driver { driver: driver.into() });
        }
    }
    Ok(())
}

/// An error if one of them keeps its files at this path.
pub(super) fn refuse_path(conf: &StorageConf, path: &Path) -> Result<(), ContainersStorageError> {
    let resolved = path.canonicalize().unwrap_or_else(|_| path.into());
    let graph_root = conf.graph_root.canonicalize().unwrap_or_else(|_| conf.graph_root.clone());
    match drivers(conf).find(|driver| resolved.starts_with(graph_root.join(driver))) {
        Some(driver) => Err(ContainersStorageError::Driver { driver: driver.into() }),
        None => Ok(()),
    }
}
