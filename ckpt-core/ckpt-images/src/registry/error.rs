//! What can go wrong with a registry.

use std::io;

use ureq::http::{StatusCode, Uri};

use crate::digest::Digest;
use crate::settings::SettingsError;

/// What can go wrong with a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// This host's settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No answer came.
    #[error("{what} {url}")]
    Connection {
        /// What was tried.
        what: String,
        /// Of what.
        url: String,
        /// Why not.
        #[source]
        source: Box<ureq::Error>,
    },
    /// Nobody trusted vouches for the registry.
    #[error(
        "the certificate of {host} is not trusted ({why}): put that of its authority into /etc/containers/certs.d/{host}/ca.crt"
    )]
    Untrusted {
        /// The registry.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// It speaks plain HTTP.
    #[error("{host} speaks no TLS: if plain HTTP will do, say insecure = true of it in registries.conf")]
    NoTls {
        /// The registry.
        host: String,
    },
    /// The registry wants to know who asks.
    #[error("{host} refuses ({status}){}: log in with `podman login {host}`", words(said))]
    Denied {
        /// The registry.
        host: String,
        /// HTTP's status.
        status: StatusCode,
        /// Its words.
        said: String,
    },
    /// There is no such thing.
    #[error("the registry has no {url}{}: is there a mistake in its name or tag?", words(said))]
    NotFound {
        /// What was asked for.
        url: String,
        /// The registry's words.
        said: String,
    },
    /// Another answer than was asked for.
    #[error("{url} answers with {status}{}: the registry may be busy or broken, try again later", words(said))]
    Answer {
        /// What was asked for.
        url: String,
        /// HTTP's status.
        status: StatusCode,
        /// The registry's words.
        said: String,
    },
    /// An answer that makes no sense.
    #[error("{url} answers what is not understood: {what}")]
    Nonsense {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// More than is read of such a thing.
    #[error("{what} has {size} bytes, and no more than {limit} are read: it is refused")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Something else came than was asked for.
    #[error("the {what} that came is not the one that was asked for: its digest is {found}, not {expected}")]
    Digest {
        /// What.
        what: &'static str,
        /// The digest that was asked for.
        expected: Digest,
        /// That of what came.
        found: Digest,
    },
    /// A blob ended too early, or does not end.
    #[error("{url} came with {found} bytes, and should have {expected}")]
    Length {
        /// The blob.
        url: String,
        /// How many bytes came.
        found: u64,
        /// How many should have.
        expected: u64,
    },
    /// The registry itself says that it has a blob of another length.
    #[error("{url} has {found} bytes there, and should have {expected}")]
    OtherLength {
        /// The blob.
        url: String,
        /// How many it has.
        found: u64,
        /// How many it should have.
        expected: u64,
    },
    /// It was tried often enough.
    #[error("gave up after {tries} tries")]
    GaveUp {
        /// How often.
        tries: u32,
        /// The last failure.
        #[source]
        source: Box<RegistryError>,
    },
    /// What should be sent cannot be read.
    #[error("read what is to be sent")]
    Source(#[source] io::Error),
    /// It is not wanted any more.
    #[error("interrupted")]
    Interrupted,
}

/// The registry's words, as a part of a sentence.
fn words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// What TLS has against a connection.
fn tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

impl RegistryError {
    /// That `source` happened to a request. Where a certificate is not trusted, or TLS not spoken, a person can help.
    pub(super) fn of_connection(what: String, url: String, source: ureq::Error) -> Self {
        let host = url.parse::<Uri>().ok().and_then(|uri| Some(uri.authority()?.to_string())).unwrap_or_default();
        match tls(&source) {
            Some(rustls::Error::InvalidCertificate(why)) => RegistryError::Untrusted { host, why: why.to_string() },
            Some(rustls::Error::InvalidMessage(_)) => RegistryError::NoTls { host },
            _ => RegistryError::Connection { what, url, source: Box::new(source) },
        }
    }

    /// Whether the next try may go well.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            RegistryError::Connection { source, .. } => match &**source {
                ureq::Error::HostNotFound | ureq::Error::BadUri(_) | ureq::Error::Http(_) => false,
                _ => tls(source).is_none(),
            },
            RegistryError::Answer { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            RegistryError::Length { .. } => true,
            _ => false,
        }
    }

    /// What a reader of a [`super::Download`] got as an error of the kernel.
    pub fn from_read(error: io::Error) -> Self {
        match error.downcast::<RegistryError>() {
            Ok(error) => error,
            Err(error) => RegistryError::Source(error),
        }
    }
}
