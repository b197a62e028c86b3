//! The storage of podman, buildah and CRI-O (containers/storage), read as it lies on disk.
//!
//! ```text
//! graph_root/
//!   overlay-containers/containers.json            names, layer and image of each container
//!   overlay-containers/volatile-containers.json   the same for `--rm`; below run_root for a transient store
//!   overlay-containers/ID/userdata/               the container's bundle
//!   overlay-images/images.json                    names and top layer of each image
//!   overlay/LAYER/diff/                           the layer's files
//!   overlay/LAYER/link                            the layer's short name
//!   overlay/LAYER/lower                           l/SHORT:l/SHORT…, top first, at most 500
//!   overlay/LAYER/{work,merged}/                  the other directories of the mount
//!   overlay/l/SHORT -> ../LAYER/diff
//! ```
//!
//! Source: `drivers/overlay/overlay.go`, `containers.go` and `images.go` of containers/storage. This
//! module writes nothing and takes no lock: the store replaces its JSON files by rename, so each is read at one moment.

mod error;
mod foreign;
mod record_files;
mod records;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::ids::IdMap;
use crate::layer_dirs::LayerDirs;
use crate::layers::{LayerStore, Layers};
use crate::overlay::XattrNamespace;
use crate::storage_conf::{StorageConf, StorageConfError};
pub use error::ContainersStorageError;
use record_files::{find_record, read_records, record_files};
pub use records::{Container, Image};

/// The only driver whose layers this crate understands.
const DRIVER: &str = "overlay";

/// A containers/storage store.
#[derive(Clone, Debug)]
pub struct ContainersStorage {
    conf: StorageConf,
}

impl ContainersStorage {
    /// A store at known places, as `podman info` names them, with otherwise default settings.
    pub fn new(graph_root: impl Into<PathBuf>, run_root: impl Into<PathBuf>) -> Self {
        let (graph_root, run_root) = (graph_root.into(), run_root.into());
        Self { conf: StorageConf { graph_root, run_root, ..StorageConf::default() } }
    }

    /// A store with these settings.
    pub fn with_conf(conf: StorageConf) -> Self {
        Self { conf }
    }

    /// The store that this machine's configuration names.
    ///
    /// # Errors
    /// [`StorageConfError`] when the configuration cannot be read.
    pub fn from_storage_conf() -> Result<Self, StorageConfError> {
        StorageConf::load().map(Self::with_conf)
    }

    /// Its settings.
    pub fn conf(&self) -> &StorageConf {
        &self.conf
    }

    /// Layers, images and containers.
    pub fn graph_root(&self) -> &Path {
        &self.conf.graph_root
    }

    /// What a reboot may lose.
    pub fn run_root(&self) -> &Path {
        &self.conf.run_root
    }

    /// The container with this full ID or exactly this name.
    ///
    /// # Errors
    /// [`ContainersStorageError`] when a record file cannot be read or parsed; `Driver` if another storage driver has
    /// the container.
    pub fn container(&self, name_or_id: &str) -> Result<Option<Container>, ContainersStorageError> {
        let found = find_record(&self.files("containers"), name_or_id)?;
        if found.is_none() {
            foreign::refuse_container(&self.conf, name_or_id)?;
        }
        Ok(found.map(Container::from))
    }

    /// All containers, also those of buildah and CRI-O.
    ///
    /// # Errors
    /// [`ContainersStorageError`] when a record file cannot be read or parsed.
    pub fn containers(&self) -> Result<Vec<Container>, ContainersStorageError> {
        Ok(read_records(&self.files("containers"))?.into_iter().map(Container::from).collect())
    }

    /// The record files of containers or layers of this store.
    fn files(&self, what: &str) -> [PathBuf; 2] {
        record_files(&self.conf, DRIVER, what)
    }

    /// The image with this full ID or exactly this name, also from the image store and the additional ones.
    ///
    /// # Errors
    /// [`ContainersStorageError`] when a record file cannot be read or parsed.
    pub fn image(&self, name_or_id: &str) -> Result<Option<Image>, ContainersStorageError> {
        let files: Vec<_> =
            self.image_roots().map(|root| root.join(format!("{DRIVER}-images")).join("images.json")).collect();
        Ok(find_record(&files, name_or_id)?.map(Image::from))
    }

    /// The folder a container's bundle, CRIU images and log lie in.
    ///
    /// Below the graph root also for containers of a transient store (`Store.ContainerDirectory`).
    pub fn userdata_dir(&self, container: &Container) -> PathBuf {
        containers_dir(self.graph_root()).join(&container.id).join("userdata")
    }

    /// The directories of a container, whether mounted or not, with the IDs that its user namespace shifts.
    ///
    /// # Errors
    /// As [`layers_of`](Self::layers_of).
    pub fn layers_of_container(&self, container: &Container) -> Result<Layers, ContainersStorageError> {
        let mut layers = self.layers_of(&container.layer)?;
        if !container.ids.is_identity() {
            layers.lower_ids = self.lower_ids(&layers.lowerdirs)?;
            layers.ids = container.ids.clone();
        }
        Ok(layers)
    }

    /// A layer without a map in its record has its owners as a container sees them: an idmapped mount shifts them.
    fn lower_ids(&self, lowerdirs: &[PathBuf]) -> Result<Vec<IdMap>, ContainersStorageError> {
        let more = self.image_roots().skip(1).map(|root| root.join(format!("{DRIVER}-layers")).join("layers.json"));
        let mut by_layer = HashMap::new();
        for record in read_records(&self.files("layers").into_iter().chain(more).collect::<Vec<_>>())? {
            by_layer.insert(record.id.clone(), record.into_ids());
        }
        let ids = |dir: &PathBuf| {
            let layer = dir.parent().and_then(Path::file_name).and_then(OsStr::to_str);
            layer.and_then(|layer| by_layer.get(layer)).cloned().unwrap_or_default()
        };
        Ok(lowerdirs.iter().map(ids).collect())
    }

    /// The directories of a layer and of those below it, whether mounted or not.
    ///
    /// # Errors
    /// [`ContainersStorageError`]; among others `Driver`, `MountProgram` and `Composefs` for stores whose layers are no
    /// plain overlay directories, `NoLayer` and `NoLowerLayer` for what is missing.
    pub fn layers_of(&self, layer_id: &str) -> Result<Layers, ContainersStorageError> {
        self.check_driver()?;
        let dirs = LayerDirs::new(self.image_roots().map(|root| root.join(DRIVER)).collect());
        let mut layers = dirs.layers_of(layer_id)?;
        layers.xattr_ns = self.xattr_ns();
        Ok(layers)
    }

    /// The graph root and all stores that may hold image layers, in the order containers/storage asks them.
    fn image_roots(&self) -> impl Iterator<Item = &Path> {
        let more = self.conf.image_store.iter().chain(&self.conf.additional_image_stores);
        std::iter::once(self.graph_root()).chain(more.map(PathBuf::as_path))
    }

    /// Checks that the driver is overlay and that the kernel mounts it.
    ///
    /// # Errors
    /// [`ContainersStorageError`]: `Driver`, `MountProgram`, or `NoStore` where nothing says what the driver is.
    pub fn check_driver(&self) -> Result<(), ContainersStorageError> {
        if let Some(driver) = self.conf.driver.as_deref().filter(|driver| *driver != DRIVER) {
            return Err(ContainersStorageError::Driver { driver: driver.into() });
        }
        if let Some(program) = &self.conf.mount_program {
            return Err(ContainersStorageError::MountProgram { program: program.clone() });
        }
        if self.conf.driver.is_none() && !self.graph_root().join(DRIVER).is_dir() {
            return Err(match foreign::drivers(&self.conf).next() {
                Some(driver) => ContainersStorageError::Driver { driver: driver.into() },
                None => ContainersStorageError::NoStore { graph_root: self.graph_root().into() },
            });
        }
        Ok(())
    }

    fn xattr_ns(&self) -> XattrNamespace {
        let options = self.conf.mount_options.as_deref().unwrap_or_default();
        match options.split(',').any(|option| option.trim() == "userxattr") {
            true => XattrNamespace::User,
            false => XattrNamespace::Trusted,
        }
    }

    /// The layer whose mount point this is: `graph_root/overlay/LAYER/merged`.
    fn layer_at(&self, merged: &Path) -> Result<String, ContainersStorageError> {
        let not_ours = || ContainersStorageError::NotAMountPoint { path: merged.into() };
        let home = self.graph_root().join(DRIVER);
        let home = home.canonicalize().unwrap_or(home);
        let resolved = merged.canonicalize().unwrap_or_else(|_| merged.into());
        let inside = resolved.strip_prefix(&home).or_else(|_| merged.strip_prefix(self.graph_root().join(DRIVER)));
        let mut components = inside.map_err(|_| not_ours())?.components();
        match (components.next(), components.next(), components.next()) {
            (Some(Component::Normal(layer)), Some(Component::Normal(name)), None) if name == "merged" => {
                layer.to_str().map(str::to_owned).ok_or_else(not_ours)
            }
            _ => Err(not_ours()),
        }
    }
}

impl LayerStore for ContainersStorage {
    type Error = ContainersStorageError;

    fn layers_at(&self, merged: &Path) -> Result<Layers, ContainersStorageError> {
        foreign::refuse_path(&self.conf, merged)?;
        let layer = self.layer_at(merged)?;
        match self.containers()?.into_iter().find(|container| container.layer == layer) {
            Some(container) => self.layers_of_container(&container),
            None => self.layers_of(&layer),
        }
    }
}

fn containers_dir(root: &Path) -> PathBuf {
    root.join(format!("{DRIVER}-containers"))
}
