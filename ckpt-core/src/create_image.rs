//! `checkpoint --create-image`: a checkpoint becomes an image in podman's own storage.
//!
//! The archive is made as any other, by clone, and so is the layer of an image in a folder beside podman's storage. podman
//! takes it from there: it alone writes its storage. That reads and writes all of the data once, which podman's own
//! `--create-image` does several times, and the container does not stand still for it.

use std::fs;
use std::path::{Path, PathBuf};

use ckpt_images::{ImageRef, LayoutRef, ReferenceError, RegistryRef};

use crate::checkpoint::{CheckpointError, CheckpointOptions, CheckpointReport, Export, checkpoint};
use crate::engine::{Engine, EngineError, Podman, storage};
use crate::host::child::{Child, ChildError};
use crate::host::programs::{self, ProgramError};
use crate::host::session::SessionError;
use crate::host::waiting::Waiting;
use crate::image::ImageError;
use crate::progress::Progress;
use crate::push::{PushOptions, push};
use crate::recovery::image_folder::ImageFolder;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum CreateImageError {
    /// It cannot have that name.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// podman cannot be asked for its storage.
    #[error(transparent)]
    Podman(#[from] EngineError),
    /// There is no place for the archive.
    #[error(transparent)]
    Folder(#[from] SessionError),
    /// There is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// There is a checkpoint, and no image of it.
    #[error("the checkpoint of {container} is well, but made no image: it is kept as {}", kept.display())]
    Image {
        /// The container.
        container: String,
        /// Its archive.
        kept: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<IntoStorageError>,
    },
}

/// Why an archive did not get into podman's storage.
#[derive(Debug, thiserror::Error)]
pub enum IntoStorageError {
    /// It is not made an image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// podman is not there.
    #[error(transparent)]
    Missing(#[from] ProgramError),
    /// podman could not be run.
    #[error(transparent)]
    Run(#[from] ChildError),
    /// podman does not take it.
    #[error("podman does not take the image: {said}")]
    Refused {
        /// Its last words.
        said: String,
    },
}

/// Checkpoints a container into the image `name` of podman's storage; what `options` say of an archive's place does not
/// matter.
///
/// # Errors
/// [`CreateImageError`]. A checkpoint that was made is never lost: its archive is kept.
pub fn create_image(
    options: &CheckpointOptions,
    name: &str,
    progress: &mut dyn Progress,
) -> Result<CheckpointReport, CreateImageError> {
    let tag = full_name(name)?;
    let graph_root = match storage::configured() {
        Some(storage) => storage.graph_root().to_owned(),
        None => Podman::for_root()?.store()?.graph_root,
    };
    let folder = ImageFolder::create(&graph_root, &mut Waiting::new(options.interrupt.as_ref(), progress))?;
    let archive = folder.archive();
    let options = CheckpointOptions { export: Export::File(archive.clone()), ..options.clone() };
    let report = checkpoint(&options, progress)?;
    match into_storage(&archive, &folder, tag, &options, progress) {
        Ok(()) => Ok(report),
        Err(source) => {
            Err(CreateImageError::Image { container: options.container, kept: folder.keep(), source: source.into() })
        }
    }
}

fn into_storage(
    archive: &Path,
    folder: &ImageFolder,
    tag: String,
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<(), IntoStorageError> {
    let image = LayoutRef { folder: folder.image(), tag: Some(tag) };
    let pushed = PushOptions {
        archive: archive.to_owned(),
        image: ImageRef::Layout(image.clone()),
        compression: None,
        spool: folder.path().to_owned(),
        interrupt: options.interrupt.clone(),
    };
    push(&pushed, progress)?;
    let arguments = ["pull".to_owned(), "--quiet".to_owned(), image.to_string()].map(Into::into);
    let podman = Child::start(&programs::find("podman")?, &arguments, None, None)?;
    let said = podman.finish_until(options.interrupt.as_ref())?;
    // The folder goes in any case; an archive that is kept needs no clone beside it.
    let _ = fs::remove_dir_all(&image.folder);
    match said.status.success() {
        true => Ok(()),
        false => {
            let words = String::from_utf8_lossy(&said.stderr);
            Err(IntoStorageError::Refused { said: words.lines().last().unwrap_or_default().to_owned() })
        }
    }
}

/// As podman names an image that is built here: `localhost/web:latest`.
fn full_name(name: &str) -> Result<String, ReferenceError> {
    match name.parse::<RegistryRef>() {
        Ok(image) => Ok(image.to_string()),
        Err(ReferenceError::NoRegistry(_)) => Ok(format!("localhost/{name}").parse::<RegistryRef>()?.to_string()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_podman_names_them() {
        for (name, full) in [
            ("web", "localhost/web:latest"),
            ("web:1", "localhost/web:1"),
            ("team/web", "localhost/team/web:latest"),
            ("quay.io/web:1", "quay.io/web:1"),
        ] {
            assert_eq!(full_name(name).unwrap(), full);
        }
        assert!(full_name("Web").is_err());
    }
}
