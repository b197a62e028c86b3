//! The image to restore on, as podman will find it.

use layerfs::ContainersStorage;

use super::error::RestoreError;
use super::options::RestoreOptions;
use crate::archive::ContainerConfig;
use crate::archive::dumps::Dumps;
use crate::engine::Engine;
use crate::engine::storage::StorageError;
use crate::progress::Progress;

/// The image to restore on.
enum Image {
    /// The recorded one, which podman finds by the recorded name.
    Recorded,
    /// The recorded one, which has that name no longer.
    Unnamed,
    /// Another one of that name, by its ID.
    Other(String),
}

impl Image {
    fn id<'i>(&'i self, config: &'i ContainerConfig) -> &'i str {
        match self {
            Image::Other(id) => id,
            _ => &config.image_id,
        }
    }
}

/// Sees to it that podman finds an image to restore on, by what `dumps` say of it.
pub(super) fn choose(
    options: &RestoreOptions,
    config: &ContainerConfig,
    dumps: &mut Dumps,
    (storage, engine): (&ContainersStorage, &dyn Engine),
    progress: &mut dyn Progress,
) -> Result<(), RestoreError> {
    let image = find(options, config, storage, engine)?;
    match &image {
        Image::Recorded => {}
        Image::Unnamed => dumps.set("rootfsImageName", &config.image_id),
        Image::Other(found) => {
            progress.warning(&warning_of_another(config, found));
            dumps.set("rootfsImageID", found);
        }
    }
    check_layers(image.id(config), storage)
}

/// podman looks for the recorded name, and would pull that if it were not there, but
/// then takes the image of the recorded ID. A name that the storage does not know can be a reference of another form:
/// `sha256:ID`, `NAME@DIGEST`, the beginning of an ID.
fn find(
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

fn warning_of_another(config: &ContainerConfig, found: &str) -> String {
    let ContainerConfig { image_name: name, image_id: id, .. } = config;
    format!(
        "{name} is {found} here, the container was made from {id}: its changed files go over other files now, and CRIU \
         refuses programs that are not the same"
    )
}

/// What the image's layers are like shows now, not when podman has made a container of them.
fn check_layers(image: &str, storage: &ContainersStorage) -> Result<(), RestoreError> {
    if let Some(layer) = storage.image(image)?.and_then(|image| image.layer) {
        storage.layers_of(&layer).map_err(StorageError::from)?;
    }
    Ok(())
}
