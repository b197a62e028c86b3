//! Names of images, as skopeo and podman spell them: `oci:DIR:TAG`, `docker://HOST/NAME:TAG`, `HOST/NAME:TAG`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::Digest;

/// Docker's registry, by the name that people use and by that of its machine.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRef {
    /// In a folder: OCI image specification, "Image Layout".
    Layout(LayoutRef),
    /// In a registry.
    Registry(RegistryRef),
}

/// An image in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutRef {
    /// The folder.
    pub folder: PathBuf,
    /// Its tag; none where the folder has only one image.
    pub tag: Option<String>,
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRef {
    /// As people name it: `quay.io`, `localhost:5000`.
    pub host: String,
    /// The repository, without the host.
    pub name: String,
    /// Which of its images.
    pub version: Version,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// A name that can be given anew.
    Tag(String),
    /// What never changes.
    Digest(Digest),
}

/// It is no name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has no registry.
    #[error("{0} names no registry: write HOST/NAME:TAG, as registry.example.com/web:1, or oci:DIR:TAG for a folder")]
    NoRegistry(String),
    /// Something in it is not as names are.
    #[error("{text} is no name of an image: {what}")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong.
        what: &'static str,
    },
}

impl ImageRef {
    /// `text` if it begins with a transport, `oci:` or `docker://`; `None` if it could be a file.
    ///
    /// # Errors
    /// [`ReferenceError`], if what follows is no name.
    pub fn parse_optional(text: &str) -> Result<Option<Self>, ReferenceError> {
        if let Some(rest) = text.strip_prefix("docker://") {
            return rest.parse().map(ImageRef::Registry).map(Some);
        }
        match text.strip_prefix("oci:") {
            Some(rest) => layout(text, rest).map(ImageRef::Layout).map(Some),
            None => Ok(None),
        }
    }
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    /// As [`ImageRef::parse_optional`]; without a transport, it is an image in a registry.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match ImageRef::parse_optional(text)? {
            Some(image) => Ok(image),
            None => text.parse().map(ImageRef::Registry),
        }
    }
}

/// The folder ends at the first colon, as with skopeo.
fn layout(text: &str, rest: &str) -> Result<LayoutRef, ReferenceError> {
    let malformed = |what| ReferenceError::Malformed { text: text.to_owned(), what };
    let (folder, tag) = match rest.split_once(':') {
        Some((folder, tag)) => (folder, Some(tag)),
        None => (rest, None),
    };
    if folder.is_empty() {
        return Err(malformed("a folder stands behind oci:, as in oci:DIR:TAG"));
    }
    if tag.is_some_and(|tag| !is_ref_name(tag)) {
        return Err(malformed("a tag has letters, digits and - . _ : @ + / between them"));
    }
    Ok(LayoutRef { folder: Path::new(folder).to_owned(), tag: tag.map(str::to_owned) })
}

/// OCI image specification, "Pre-Defined Annotation Keys": the grammar of `ref.name`.
fn is_ref_name(tag: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@+/".contains(&byte);
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = tag.as_bytes();
    tag.len() <= 255 && bytes.iter().copied().all(is_inner) && is_outer(bytes.first()) && is_outer(bytes.last())
}

impl FromStr for RegistryRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let malformed = |what| ReferenceError::Malformed { text: text.to_owned(), what };
        let no_registry = || ReferenceError::NoRegistry(text.to_owned());
        let (host, rest) = text.split_once('/').ok_or_else(no_registry)?;
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(no_registry());
        }
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (rest, None),
        };
        let (name, tag) = match named.rsplit_once(':') {
            Some((name, tag)) => (name, tag),
            None => (named, "latest"),
        };
        let name = match name.contains('/') || host != DOCKER.0 {
            true => name.to_owned(),
            false => format!("library/{name}"),
        };
        if !is_host(host) {
            return Err(malformed("a registry is a name or an address, and a port"));
        }
        if !is_repository(&name) {
            return Err(malformed("a repository has lower-case letters, digits, and . _ - between them"));
        }
        if !is_tag(tag) {
            return Err(malformed("a tag has letters, digits, _ . and -, at most 128"));
        }
        let version = match digest {
            Some(digest) => Version::Digest(digest.parse().map_err(|_| malformed("it has no digest behind @"))?),
            None => Version::Tag(tag.to_owned()),
        };
        Ok(RegistryRef { host: host.to_owned(), name, version })
    }
}

impl RegistryRef {
    /// The machine that answers for its host.
    pub fn machine(&self) -> &str {
        if self.host == DOCKER.0 { DOCKER.1 } else { &self.host }
    }
}

fn is_host(host: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    host.bytes().all(is_inner) && host.len() <= 255
}

/// Distribution specification, "Pulling manifests": the grammar of a name.
fn is_repository(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let is_outer = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.iter().copied().all(is_inner) && is_outer(bytes.first()) && is_outer(bytes.last())
    };
    name.len() <= 255 && name.split('/').all(is_part)
}

fn is_tag(tag: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let is_first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    tag.len() <= 128 && tag.bytes().all(is_inner) && tag.as_bytes().first().is_some_and(is_first)
}

impl fmt::Display for ImageRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageRef::Layout(layout) => layout.fmt(formatter),
            ImageRef::Registry(image) => image.fmt(formatter),
        }
    }
}

impl fmt::Display for LayoutRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.tag.iter().map(|tag| format!(":{tag}")).collect::<String>();
        write!(formatter, "oci:{}{tag}", self.folder.display())
    }
}

impl fmt::Display for RegistryRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(formatter, "{}/{}:{tag}", self.host, self.name),
            Version::Digest(digest) => write!(formatter, "{}/{}@{digest}", self.host, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_skopeo_reads_them() {
        let digest = Digest::of(b"");
        for (text, expected) in [
            ("oci:/srv/images:web", "oci:/srv/images:web"),
            ("oci:images", "oci:images"),
            ("oci:images:host/web:1", "oci:images:host/web:1"),
            ("docker://localhost:5000/web", "localhost:5000/web:latest"),
            ("localhost/a/b:1", "localhost/a/b:1"),
            ("docker.io/busybox:1", "docker.io/library/busybox:1"),
            ("docker.io/a/b", "docker.io/a/b:latest"),
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), expected);
        }
        let pinned = format!("quay.io/web:1@{digest}");
        assert_eq!(pinned.parse::<ImageRef>().unwrap().to_string(), format!("quay.io/web@{digest}"));
        assert_eq!(ImageRef::parse_optional("x.tar").unwrap(), None);
    }

    #[test]
    fn tricks_in_names_are_refused() {
        for text in [
            "web",
            "web/x",
            "oci::tag",
            "oci:images:../x",
            "oci:images:",
            "quay.io/../etc",
            "quay.io/a//b",
            "quay.io/Web",
            "quay.io/web:a/b",
            "quay.io/web:",
            "quay.io/web?x=y",
            "quay.io/web@sha256:12",
            "user@quay.io/web",
            "quay.io#x/web",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}
