//! `push`: an archive becomes an image, in a folder or a registry.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::Transferred;
use ckpt_images::document::{Annotations, CONFIG, Descriptor, INDEX, MANIFEST as MANIFEST_TYPE};
use ckpt_images::{Access, Digest, ImageRef, LayoutRef, Registries, Registry, RegistryError, RegistryRef, Version};
use jiff::Timestamp;

use crate::archive::compression::Compression;
use crate::archive::manifest::Manifest;
use crate::archive::{CheckpointArchive, MANIFEST, annotations};
use crate::host::interrupt::Interrupt;
use crate::image::layout::Layout;
use crate::image::outgoing::{Layer, Outgoing};
use crate::image::{ImageError, Raised, parcel};
use crate::progress::{Phase, Progress};

/// What to push where.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The archive.
    pub archive: PathBuf,
    /// The image that it becomes.
    pub image: ImageRef,
    /// How the layer is compressed. By default not at all in a folder, where it is a clone of the archive, and by zstd for
    /// a registry.
    pub compression: Option<Compression>,
    /// Where large temporary files go.
    pub spool: PathBuf,
    /// Ends it early.
    pub interrupt: Option<Interrupt>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct PushReport {
    /// The image's digest: of its manifest in a folder, of its index in a registry.
    pub digest: String,
    /// Length of its layer, bytes.
    pub layer_bytes: u64,
    /// How the archive's bytes came there.
    pub moved: Transferred,
    /// How long it took.
    pub elapsed: Duration,
}

/// Makes the image. Its tag leads to the old image or to the whole new one at any moment.
///
/// # Errors
/// [`ImageError`].
pub fn push(options: &PushOptions, progress: &mut dyn Progress) -> Result<PushReport, ImageError> {
    let started = Instant::now();
    let destination = Destination::of(&options.image)?;
    progress.phase(Phase::Deliver);
    let archive = CheckpointArchive::open(&options.archive, &options.spool)?;
    let manifest: Manifest = archive.json(MANIFEST)?.unwrap_or_default();
    let parcel = Parcel {
        annotations: annotations::of(&archive)?,
        created: manifest.created.parse().unwrap_or_else(|_| Timestamp::now()).to_string(),
    };
    let outgoing = |compression| Outgoing {
        archive: archive.file(),
        path: &options.archive,
        compression,
        interrupt: options.interrupt.as_ref(),
    };
    let (digest, layer) = match destination {
        Destination::Layout(image, tag) => {
            let layout = Layout::create(image)?;
            let layer = outgoing(options.compression.unwrap_or_default()).to_layout(&layout, progress)?;
            (parcel.into_layout(&layout, tag, &layer)?, layer)
        }
        Destination::Registry(image, tag) => {
            let raised = Raised(options.interrupt.as_ref());
            let failed = |source| match source {
                RegistryError::Interrupted => ImageError::Interrupted,
                source => ImageError::Registry { image: image.to_string(), source },
            };
            let registry = open(image, &raised).map_err(failed)?;
            let outgoing = outgoing(options.compression.unwrap_or(Compression::Zstd));
            let layer = outgoing.to_registry(&registry, &options.spool, progress)?;
            (parcel.into_registry(&registry, tag, &layer).map_err(failed)?, layer)
        }
    };
    let (layer_bytes, moved) = (layer.blob.size, layer.moved);
    Ok(PushReport { digest: digest.to_string(), layer_bytes, moved, elapsed: started.elapsed() })
}

/// Where an image can be pushed to: a name that can be given anew.
enum Destination<'i> {
    Layout(&'i LayoutRef, &'i str),
    Registry(&'i RegistryRef, &'i str),
}

impl<'i> Destination<'i> {
    fn of(image: &'i ImageRef) -> Result<Self, ImageError> {
        match image {
            ImageRef::Layout(layout) => match &layout.tag {
                Some(tag) => Ok(Destination::Layout(layout, tag)),
                None => Err(ImageError::PushWithoutTag { image: image.to_string() }),
            },
            ImageRef::Registry(registry) => match &registry.version {
                Version::Tag(tag) => Ok(Destination::Registry(registry, tag)),
                Version::Digest(_) => Err(ImageError::PushToDigest { image: image.to_string() }),
            },
        }
    }
}

fn open<'r>(image: &RegistryRef, raised: &'r Raised<'_>) -> Result<Registry<'r>, RegistryError> {
    let place = Registries::load()?.for_push(image)?;
    Registry::open(&place, Access::Push, raised.patience())
}

/// What goes with a layer.
struct Parcel {
    annotations: Annotations,
    created: String,
}

impl Parcel {
    fn into_layout(self, layout: &Layout, tag: &str, layer: &Layer) -> Result<Digest, ImageError> {
        let config = layout.put(CONFIG, &parcel::config(&self.created, &layer.diff_id))?;
        let manifest = parcel::manifest(config, layer.blob.clone(), &self.annotations);
        let manifest = layout.put(MANIFEST_TYPE, &manifest)?;
        let digest = manifest.digest.clone();
        layout.tag(tag, parcel::named(manifest, &self.annotations))?;
        Ok(digest)
    }

    /// What is named is sent before what names it, the tag at last.
    fn into_registry(self, registry: &Registry<'_>, tag: &str, layer: &Layer) -> Result<Digest, RegistryError> {
        let config = registry.put_small_blob(CONFIG, &parcel::config(&self.created, &layer.diff_id))?;
        let manifest = parcel::manifest(config, layer.blob.clone(), &self.annotations);
        let named = Descriptor::of(MANIFEST_TYPE, &manifest);
        registry.put_manifest(&named.digest.to_string(), MANIFEST_TYPE, &manifest)?;
        let index = parcel::index(named, &self.annotations);
        registry.put_manifest(tag, INDEX, &index)?;
        Ok(Digest::of(&index))
    }
}
