//! The body of a request or an answer, whoever makes it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Empty, Full};
use hyper::body::{Bytes, Frame, Incoming};
use tokio::sync::mpsc;

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

/// What comes through a channel, until nobody sends any more.
pub(crate) struct Pieces(mpsc::Receiver<Vec<u8>>);

impl Pieces {
    pub(crate) fn new(pieces: mpsc::Receiver<Vec<u8>>) -> Self {
        Pieces(pieces)
    }

    pub(crate) fn boxed(self) -> Body {
        self.map_err(|never| match never {}).boxed_unsync()
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
