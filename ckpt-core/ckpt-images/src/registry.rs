//! A repository of a registry: OCI distribution specification 1.1.
//!
//! ```text
//! registry            manifests and small blobs
//! download  upload    large blobs, which go on where a connection broke
//! session             one request after the other, with what the registry wants to know of us
//! challenge  patience what it asks for; how often and how long is tried
//! error
//! ```

mod challenge;
mod download;
mod error;
mod patience;
mod session;
mod upload;

use std::io::Read;

use ureq::http::{Method, StatusCode};

use crate::digest::Digest;
use crate::document::{DOCKER_INDEX, DOCKER_MANIFEST, DOCUMENT_MAX, Descriptor, INDEX, MANIFEST};
use crate::growing::Growing;
use crate::reference::{RegistryRef, Version};
use crate::settings::{Certificates, Credentials, Endpoint};
pub use download::Download;
pub use error::RegistryError;
pub use patience::{Never, Patience, Stop};
pub use session::Access;
use session::{Request, Session};

/// A repository of a registry that has answered.
#[derive(Debug)]
pub struct Registry<'s> {
    session: Session,
    image: RegistryRef,
    patience: Patience<'s>,
}

impl<'s> Registry<'s> {
    /// Greets the registry, with what this host knows of it: [`Credentials`] and [`Certificates`].
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn open(place: &Endpoint, access: Access, patience: Patience<'s>) -> Result<Self, RegistryError> {
        let credentials = Credentials::find_optional(&place.image)?;
        let certificates = Certificates::load(&place.image.host)?;
        let session = Session::open(place, access, credentials, certificates, patience)?;
        Ok(Registry { session, image: place.image.clone(), patience })
    }

    /// The image that was asked for.
    pub fn image(&self) -> &RegistryRef {
        &self.image
    }

    /// A manifest or an index, and its media type. One that was asked for by its digest has that digest.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn manifest(&self, version: &Version) -> Result<(Vec<u8>, String), RegistryError> {
        let name = match version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
        };
        let accept = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].join(", ");
        let request = Request::new(Method::GET, self.url(&format!("manifests/{name}"))).header("accept", &accept);
        let answer = self.patience.insist(|| self.session.ask(&request))?.expect(&request, &[StatusCode::OK])?;
        let media_type = answer.header("content-type").unwrap_or_default().to_owned();
        let bytes = answer.body(&request, DOCUMENT_MAX)?;
        if let Version::Digest(digest) = version {
            check(&bytes, digest, "manifest")?;
        }
        Ok((bytes, media_type))
    }

    /// A blob of at most 4 MiB, a configuration, whose digest is right.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn small_blob(&self, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        if blob.size > DOCUMENT_MAX {
            return Err(RegistryError::TooLarge { what: "a configuration", size: blob.size, limit: DOCUMENT_MAX });
        }
        let mut bytes = Vec::new();
        self.blob(blob).read_to_end(&mut bytes).map_err(RegistryError::from_read)?;
        check(&bytes, &blob.digest, "configuration")?;
        Ok(bytes)
    }

    /// The bytes of a blob, exactly as many as it is said to have. Whoever reads them checks their digest.
    pub fn blob(&self, blob: &Descriptor) -> Download<'_> {
        Download::new(&self.session, self.url(&format!("blobs/{}", blob.digest)), blob.size, self.patience)
    }

    /// Whether the repository has a blob.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let request = Request::new(Method::HEAD, self.url(&format!("blobs/{digest}")));
        let answer = self.patience.insist(|| self.session.ask(&request))?;
        let answer = answer.expect(&request, &[StatusCode::OK, StatusCode::NOT_FOUND])?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// Sends a small blob, unless it is there.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn put_small_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, RegistryError> {
        let blob = Descriptor::of(media_type, bytes);
        if !self.has_blob(&blob.digest)? {
            upload::small(&self.session, &self.uploads(), bytes, &blob.digest, self.patience)?;
        }
        Ok(blob)
    }

    /// Sends what grows in `source`. When all of it is there, `digest` tells what it is, or that it is not to be sent.
    /// `sent` is told how far the registry has it.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn put_blob(
        &self,
        source: &Growing<'_>,
        digest: impl Fn() -> Option<Digest>,
        sent: &mut dyn FnMut(u64),
    ) -> Result<(), RegistryError> {
        let is_there = |digest: &Digest| self.has_blob(digest).unwrap_or(false);
        upload::large(&self.session, &self.uploads(), source, &digest, &is_there, sent, self.patience)
    }

    /// Sends a manifest or an index under a tag or its digest. What it names has to be there.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn put_manifest(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let url = self.url(&format!("manifests/{name}"));
        let request = Request::new(Method::PUT, url).header("content-type", media_type).bytes(bytes);
        let answer = self.patience.insist(|| self.session.ask(&request))?;
        answer.expect(&request, &[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED]).map(drop)
    }

    fn uploads(&self) -> String {
        self.url("blobs/uploads/")
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.session.base(), self.image.name)
    }
}

fn check(bytes: &[u8], expected: &Digest, what: &'static str) -> Result<(), RegistryError> {
    let found = Digest::of(bytes);
    match found == *expected {
        true => Ok(()),
        false => Err(RegistryError::Digest { what, expected: expected.clone(), found }),
    }
}
