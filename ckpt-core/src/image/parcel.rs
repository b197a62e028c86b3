//! The documents around a layer that is sent: a configuration, a manifest, and for registries an index.
//!
//! The annotations are on the manifest, where podman and CRI-O look, and on the index, where containerd does.

use ckpt_images::Digest;
use ckpt_images::document::{self, Annotations, CONFIG, Descriptor, Index, MANIFEST, Manifest, Platform};

/// What a layer's media type says after [`document::LAYER`].
pub(crate) fn layer_type(ending: &str) -> String {
    format!("{}{ending}", document::LAYER)
}

/// The configuration of an image whose layer is `diff_id`, decompressed.
pub(crate) fn config(created: &str, diff_id: &Digest) -> Vec<u8> {
    document::config(created, concat!("ckpt ", env!("CARGO_PKG_VERSION")), diff_id)
}

/// The manifest of `config` and `layer`.
pub(crate) fn manifest(config: Descriptor, layer: Descriptor, annotations: &Annotations) -> Vec<u8> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: Descriptor { media_type: CONFIG.to_owned(), ..config },
        layers: vec![layer],
        annotations: annotations.clone(),
    };
    serde_json::to_vec(&manifest).expect("a manifest is JSON")
}

/// How an index names `manifest`.
pub(crate) fn named(manifest: Descriptor, annotations: &Annotations) -> Descriptor {
    Descriptor { platform: Some(Platform::here()), annotations: annotations.clone(), ..manifest }
}

/// The index of one manifest.
pub(crate) fn index(manifest: Descriptor, annotations: &Annotations) -> Vec<u8> {
    let index = Index::of(vec![named(manifest, annotations)], annotations.clone());
    serde_json::to_vec(&index).expect("an index is JSON")
}
