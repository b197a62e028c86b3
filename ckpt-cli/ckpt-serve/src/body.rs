//! The body of a request or an answer, whoever makes it.

use std::io;

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Empty, Full};
use hyper::body::{Bytes, Incoming};

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("look whether the client has read the archive")]
    Look(#[source] io::Error),
    /// No end: the client must not take the archive for whole.
    #[error("the checkpoint failed")]
    Failed,
}

pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// What comes over a connection.
pub(crate) fn incoming(body: Incoming) -> Body {
    body.map_err(BodyError::from).boxed_unsync()
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
