//! The settings, and their defaults.

use std::path::PathBuf;

/// The settings that say where layers are and how they are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConf {
    /// The storage driver, if set: containers/storage picks one that works otherwise.
    pub driver: Option<String>,
    /// Layers, images and containers. Default `/var/lib/containers/storage`.
    pub graph_root: PathBuf,
    /// What a reboot may lose. Default `/run/containers/storage`.
    pub run_root: PathBuf,
    /// Where images go if not into `graph_root`.
    pub image_store: Option<PathBuf>,
    /// Read-only stores with more images.
    pub additional_image_stores: Vec<PathBuf>,
    /// Container records are kept below `run_root`. Default false.
    pub transient_store: bool,
    /// A program that mounts instead of the kernel, fuse-overlayfs usually.
    pub mount_program: Option<PathBuf>,
    /// Options of every overlay mount, separated by commas.
    pub mount_options: Option<String>,
}

impl Default for StorageConf {
    fn default() -> Self {
        Self {
            driver: None,
            graph_root: "/var/lib/containers/storage".into(),
            run_root: "/run/containers/storage".into(),
            image_store: None,
            additional_image_stores: Vec::new(),
            transient_store: false,
            mount_program: None,
            mount_options: None,
        }
    }
}
