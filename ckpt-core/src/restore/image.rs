//! The image to restore on, as podman will find it.

use layerfs::ContainersStorage;

use super::error::RestoreError;
use super::options::RestoreOptions;
use crate::archive::ContainerConfig;
use crate::engine::Engine;
use crate::engine::storage::StorageError;

/// The image to restore on.
pub(super) enum Image {
    /// The recorded one, which podman finds by the recorded name.
    Recorded,
    /// The recorded one, which has that name no longer.
    Unnamed,
    /// Another one of that name, by its ID.
    Other(String),
}

impl Image {
    pub(super) fn id<'i>(&'i self, config: &'i ContainerConfig) -> &'i str {
        match self {
            Image::Other(id) => id,
            _ => &config.image_id,
        }
    }
}

/// Sees to it that podman finds the image: it looks for the recorded name, and would pull that if it were not there, but
/// then takes the image of the recorded ID. A name that the storage does not know can be a reference of another form:
/// `sha256:ID`, `NAME@DIGEST`, the beginning of an ID.
pub(super) fn find_image(
    options: &RestoreOptions,
    config: &ContainerConfig,
    storage: &ContainersStorage,
    engine: &dyn Engine,
) -> Result<Image, RestoreError> {
    let (name, id) = (config.image_name.clone(), config.image_id.clone());
    let is_here = storage.image(&id)?.is_some();
    match storage.image(&name)? {
        Some(image) if image.id == id || is_here => Ok(Image::Recorded),
        None if is_here => Ok(if engine.has_image(&name)? { Image::Recorded } else { Image::Unnamed }),
        None => Err(RestoreError::NoImage { name, id }),
        Some(image) if options.allow_image_mismatch => Ok(Image::Other(image.id)),
        Some(image) => Err(RestoreError::OtherImage { name, id, found: image.id }),
    }
}

pub(super) fn other_image_warning(config: &ContainerConfig, found: &str) -> String {
    let ContainerConfig { image_name: name, image_id: id, .. } = config;
    format!(
        "{name} is {found} here, the container was made from {id}: its changed files go over other files now, and CRIU \
         refuses programs that are not the same"
    )
}

/// What the image's layers are like shows now, not when podman has made a container of them.
pub(super) fn check_layers(image: &str, storage: &ContainersStorage) -> Result<(), RestoreError> {
    if let Some(layer) = storage.image(image)?.and_then(|image| image.layer) {
        storage.layers_of(&layer).map_err(StorageError::from)?;
    }
    Ok(())
}
