//! The JSON of an image, as far as an image of one layer needs it: OCI image specification 1.1, and the media types of
//! Docker's schema 2, which say the same.
//!
//! What comes from a registry or a layout is untrusted: documents have at most [`DOCUMENT_MAX`] bytes, and what they
//! name is passed by its digest and its size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The largest manifest or index that is read, bytes; registries take no larger ones either.
pub const DOCUMENT_MAX: u64 = 4 << 20;

/// Of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of an index, which names manifests.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Of a layer that is a tar archive as it is.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker's word for [`MANIFEST`].
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's word for [`INDEX`].
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Key of a tag in the index of a layout.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Names and values; sorted, so that the same image has the same digest.
pub type Annotations = BTreeMap<String, String>;

/// Names content by digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The machine it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What its maker says of it.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

impl Descriptor {
    /// Of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Descriptor::named(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Of content that has this digest and size.
    pub fn named(media_type: &str, digest: Digest, size: u64) -> Self {
        Descriptor { media_type: media_type.to_owned(), digest, size, platform: None, annotations: Annotations::new() }
    }
}

/// A machine, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64` and others.
    #[serde(default)]
    pub architecture: String,
    /// `linux`.
    #[serde(default)]
    pub os: String,
}

impl Platform {
    /// This machine.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            other => other,
        };
        Platform { architecture: architecture.to_owned(), os: "linux".to_owned() }
    }
}

/// An image for one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MANIFEST`].
    #[serde(default)]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// What its maker says of it.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

/// Names manifests, for several machines or several tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`INDEX`].
    #[serde(default)]
    pub media_type: String,
    /// What it names.
    pub manifests: Vec<Descriptor>,
    /// What its maker says of it.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

impl Index {
    /// Of these manifests.
    pub fn of(manifests: Vec<Descriptor>, annotations: Annotations) -> Self {
        Index { schema_version: 2, media_type: INDEX.to_owned(), manifests, annotations }
    }
}

/// A manifest or an index: both are found by a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// An image.
    Manifest(Manifest),
    /// Images.
    Index(Index),
}

impl Document {
    /// Reads either. The document says itself which it is; `media_type` is asked only where it does not.
    ///
    /// # Errors
    /// If it is no JSON, or neither of them.
    pub fn read(bytes: &[u8], media_type: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            #[serde(default)]
            media_type: String,
        }
        let Kind { media_type: own } = serde_json::from_slice(bytes)?;
        let kind = if own.is_empty() { media_type } else { &own };
        if matches!(kind, INDEX | DOCKER_INDEX) {
            return serde_json::from_slice(bytes).map(Document::Index);
        }
        serde_json::from_slice(bytes).map(Document::Manifest)
    }
}

/// What a configuration says of the layers: the rest is for containers that are run from the image.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// Of the layers.
    pub rootfs: RootFs,
}

/// `rootfs` of a configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct RootFs {
    /// Digests of the layers, decompressed.
    pub diff_ids: Vec<Digest>,
}

/// The configuration of an image of one layer, as JSON. It starts nothing: the image is a parcel.
pub fn config(created: &str, created_by: &str, diff_id: &Digest) -> Vec<u8> {
    let Platform { architecture, os } = Platform::here();
    let config = serde_json::json!({
        "created": created,
        "architecture": architecture,
        "os": os,
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": created, "created_by": created_by }],
    });
    config.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_it_is() {
        let descriptor = Descriptor::of(MANIFEST, b"{}");
        let index = serde_json::to_vec(&Index::of(vec![descriptor.clone()], Annotations::new())).unwrap();
        assert!(matches!(Document::read(&index, MANIFEST).unwrap(), Document::Index(_)));
        let manifest = serde_json::json!({ "schemaVersion": 2, "config": descriptor, "layers": [] }).to_string();
        assert!(matches!(Document::read(manifest.as_bytes(), "").unwrap(), Document::Manifest(_)));
        assert!(Document::read(manifest.as_bytes(), INDEX).is_err());
    }

    #[test]
    fn a_hostile_document_is_an_error() {
        let digest = Digest::of(b"");
        for text in [
            String::new(),
            "[]".to_owned(),
            r#"{"mediaType": 7}"#.to_owned(),
            r#"{"schemaVersion":2,"config":{"digest":"sha256:../../x","size":1},"layers":[]}"#.to_owned(),
            format!(r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":-1}},"layers":[]}}"#),
            format!(
                r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":99999999999999999999}},"layers":[]}}"#
            ),
            "[".repeat(100_000),
        ] {
            assert!(Document::read(text.as_bytes(), "").is_err(), "{text}");
        }
    }
}
