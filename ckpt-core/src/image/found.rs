//! An image that was asked for, wherever it is, down to its one layer.

use std::fs::File;
use std::io::Read;

use ckpt_images::document::{Annotations, Descriptor, Document, LAYER, Manifest, Platform};
use ckpt_images::{Access, Digest, ImageRef, Registries, Registry, RegistryError, RegistryRef, Version};

use super::Raised;
use super::error::ImageError;
use super::layout::Layout;
use crate::archive::annotations::{BLOCK_SIZE, OF_CHECKPOINTS};

/// An image of a checkpoint.
#[derive(Debug)]
pub(crate) struct Found<'s> {
    /// For messages.
    pub(crate) image: String,
    /// Of its manifest, and of what led there.
    pub(crate) annotations: Annotations,
    /// Digest of its manifest.
    pub(crate) digest: Digest,
    pub(crate) layer: Descriptor,
    place: Place<'s>,
}

#[derive(Debug)]
enum Place<'s> {
    Layout(Layout),
    Registry(Box<Registry<'s>>),
}

/// Finds it. Every document on the way has the digest that the one before names.
pub(crate) fn find<'s>(image: &ImageRef, raised: &'s Raised<'_>) -> Result<Found<'s>, ImageError> {
    match image {
        ImageRef::Layout(reference) => {
            let layout = Layout::open(reference)?;
            let top = layout.find(reference.tag.as_deref())?;
            let bytes = layout.small_blob(&top, "manifest")?;
            let document = Top { bytes, media_type: top.media_type.clone(), annotations: top.annotations };
            let fetch = |wanted: &Descriptor| layout.small_blob(wanted, "manifest");
            let (annotations, digest, layer) = layer_of(image, document, &fetch)?;
            Ok(Found { image: image.to_string(), annotations, digest, layer, place: Place::Layout(layout) })
        }
        ImageRef::Registry(reference) => in_registry(image, reference, raised),
    }
}

/// The registry, or the first of its mirrors that has it.
fn in_registry<'s>(image: &ImageRef, reference: &RegistryRef, raised: &'s Raised<'_>) -> Result<Found<'s>, ImageError> {
    let failed = |source| ImageError::Registry { image: image.to_string(), source };
    let places = Registries::load().and_then(|registries| registries.for_pull(reference));
    let mut last = None;
    for place in places.map_err(|error| failed(error.into()))? {
        let asked = Registry::open(&place, Access::Pull, raised.patience())
            .and_then(|registry| registry.manifest(&place.image.version).map(|found| (registry, found)));
        match asked {
            Ok((registry, (bytes, media_type))) => {
                let document = Top { bytes, media_type, annotations: Annotations::new() };
                let fetch = |wanted: &Descriptor| {
                    let (bytes, _) = registry.manifest(&Version::Digest(wanted.digest.clone())).map_err(failed)?;
                    Ok(bytes)
                };
                let (annotations, digest, layer) = layer_of(image, document, &fetch)?;
                let place = Place::Registry(Box::new(registry));
                return Ok(Found { image: image.to_string(), annotations, digest, layer, place });
            }
            Err(RegistryError::Interrupted) => return Err(ImageError::Interrupted),
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.expect("the registry itself is the last place")))
}

/// What a tag leads to.
struct Top {
    bytes: Vec<u8>,
    media_type: String,
    annotations: Annotations,
}

/// The layer of the image for this machine, with the annotations on the way there and the digest of the manifest.
fn layer_of(
    image: &ImageRef,
    top: Top,
    fetch: &dyn Fn(&Descriptor) -> Result<Vec<u8>, ImageError>,
) -> Result<(Annotations, Digest, Descriptor), ImageError> {
    let document = |source| ImageError::Document { image: image.to_string(), what: "manifest", source };
    let refused = |why: String| ImageError::NotACheckpoint { image: image.to_string(), why };
    let mut annotations = top.annotations;
    let (manifest, bytes) = match Document::read(&top.bytes, &top.media_type).map_err(document)? {
        Document::Manifest(manifest) => (manifest, top.bytes),
        Document::Index(index) => {
            let chosen =
                for_here(&index.manifests).ok_or_else(|| refused("it has no image for this machine".into()))?;
            annotations.extend(index.annotations.clone());
            annotations.extend(chosen.annotations.clone());
            let bytes = fetch(chosen)?;
            match Document::read(&bytes, &chosen.media_type).map_err(document)? {
                Document::Manifest(manifest) => (manifest, bytes),
                Document::Index(_) => return Err(refused("its index leads to another index".into())),
            }
        }
    };
    let Manifest { layers, annotations: own, .. } = manifest;
    annotations.extend(own);
    if !OF_CHECKPOINTS.iter().any(|name| annotations.contains_key(*name)) {
        return Err(refused(format!("it has none of the annotations {}", OF_CHECKPOINTS.join(", "))));
    }
    match <[Descriptor; 1]>::try_from(layers) {
        Ok([layer]) => Ok((annotations, Digest::of(&bytes), layer)),
        Err(layers) => Err(refused(format!("it has {} layers, and a checkpoint has one", layers.len()))),
    }
}

/// The image for this machine; the only one, if it does not say for which it is.
fn for_here(manifests: &[Descriptor]) -> Option<&Descriptor> {
    let here = Platform::here();
    let is_here = |image: &&Descriptor| image.platform.as_ref() == Some(&here);
    manifests.iter().find(is_here).or(match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    })
}

impl Found<'_> {
    /// The layer as it is stored, not checked.
    pub(crate) fn stream(&self) -> Result<Box<dyn Read + '_>, ImageError> {
        Ok(match &self.place {
            Place::Layout(layout) => Box::new(layout.blob(&self.layer, "layer")?),
            Place::Registry(registry) => Box::new(registry.blob(&self.layer)),
        })
    }

    /// The file of the layer, not checked; none if it comes from a registry.
    pub(crate) fn file_optional(&self) -> Result<Option<File>, ImageError> {
        match &self.place {
            Place::Layout(layout) => layout.blob(&self.layer, "layer").map(Some),
            Place::Registry(_) => Ok(None),
        }
    }

    /// Whether the layer is an archive as it is.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(&self.layer.media_type[..], LAYER | "application/vnd.docker.image.rootfs.diff.tar")
    }

    /// Whether its data is said to lie on blocks of `bytes`. If it does not, it is copied where it could be cloned.
    pub(crate) fn is_aligned(&self, bytes: u64) -> bool {
        let told: Option<u64> = self.annotations.get(BLOCK_SIZE).and_then(|told| told.parse().ok());
        told.is_some_and(|told| told > 0 && told % bytes == 0)
    }

    /// An error of reading [`Found::stream`].
    pub(crate) fn read_error(&self, error: std::io::Error) -> ImageError {
        match RegistryError::from_read(error) {
            RegistryError::Interrupted => ImageError::Interrupted,
            source => ImageError::Registry { image: self.image.clone(), source },
        }
    }

    /// Passes a layer of this digest and length.
    pub(crate) fn check_layer(&self, digest: Digest, length: u64) -> Result<(), ImageError> {
        let (image, what) = (self.image.clone(), "layer");
        if length != self.layer.size {
            return Err(ImageError::Length { image, what, expected: self.layer.size, found: length });
        }
        match digest == self.layer.digest {
            true => Ok(()),
            false => Err(ImageError::Damaged { image, what, expected: self.layer.digest.clone(), found: digest }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_images::document::{CONFIG, INDEX, Index, MANIFEST};
    use serde_json::json;

    fn manifest(layers: usize, annotations: &[&str]) -> Vec<u8> {
        let layer = Descriptor::of(LAYER, b"layer");
        let annotations: Annotations = annotations.iter().map(|name| (name.to_string(), "web".to_owned())).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": Descriptor::of(CONFIG, b"{}"),
            "layers": vec![layer; layers], "annotations": annotations,
        });
        manifest.to_string().into_bytes()
    }

    fn found(bytes: Vec<u8>, other: &[u8]) -> Result<Descriptor, String> {
        let image: ImageRef = "localhost/web:1".parse().unwrap();
        let top = Top { bytes, media_type: String::new(), annotations: Annotations::new() };
        let fetch = |_: &Descriptor| Ok(other.to_vec());
        layer_of(&image, top, &fetch).map(|(_, _, layer)| layer).map_err(|error| error.to_string())
    }

    fn index(platforms: &[Option<&str>], annotations: &[&str]) -> Vec<u8> {
        let manifests = platforms.iter().map(|platform| Descriptor {
            platform: platform.map(|name| Platform { architecture: name.to_owned(), os: "linux".to_owned() }),
            ..Descriptor::of(MANIFEST, b"")
        });
        let annotations = annotations.iter().map(|name| (name.to_string(), "web".to_owned())).collect();
        let index = Index { media_type: INDEX.to_owned(), ..Index::of(manifests.collect(), annotations) };
        serde_json::to_vec(&index).unwrap()
    }

    #[test]
    fn a_name_on_the_manifest_or_the_index_says_that_it_is_a_checkpoint() {
        for name in OF_CHECKPOINTS {
            assert_eq!(found(manifest(1, &[name]), b"").unwrap().size, 5);
            let here = Platform::here().architecture;
            assert_eq!(found(index(&[Some("s390x"), Some(&here)], &[name]), &manifest(1, &[])).unwrap().size, 5);
            assert_eq!(found(index(&[None], &[]), &manifest(1, &[name])).unwrap().size, 5);
        }
    }

    #[test]
    fn other_images_are_refused_before_anything_large_is_fetched() {
        let name = OF_CHECKPOINTS[0];
        for (top, other, why) in [
            (manifest(1, &[]), vec![], "it has none of the annotations"),
            (manifest(0, &[name]), vec![], "it has 0 layers"),
            (manifest(2, &[name]), vec![], "it has 2 layers"),
            (index(&[Some("s390x")], &[name]), vec![], "no image for this machine"),
            (index(&[None, None], &[name]), vec![], "no image for this machine"),
            (index(&[None], &[name]), index(&[None], &[]), "another index"),
            (b"{}".to_vec(), vec![], "its manifest is not understood"),
        ] {
            let refused = found(top, &other).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
