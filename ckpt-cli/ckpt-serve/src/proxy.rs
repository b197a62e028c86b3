//! Passes a request on to podman's own service, and its answer back.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::pin;
use std::task::Poll;

use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, Connection};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::http::response::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::body::{Body, empty, incoming};
use crate::relay::End;
use crate::upstream::{Upstream, UpstreamError};
use crate::wire::Wire;

/// How much of an answer is read that is for ourselves, bytes: podman's description of a container.
const OWN_ANSWER: usize = 8 << 20;

/// Why there is no answer of podman's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error(transparent)]
    Connect(#[from] UpstreamError),
    #[error("talk to podman's service")]
    Http(#[from] hyper::Error),
    #[error("read podman's answer")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("make a pair of sockets")]
    Interrupt(#[source] io::Error),
    #[error("make a pipe")]
    Pipe(#[source] io::Error),
}

/// What podman answers.
pub(crate) enum Answer {
    /// As HTTP has it.
    Http(Response<Body>),
    /// Then bytes in both directions: after 101, and also after 200, where the client of a terminal asked for no upgrade.
    Raw(Box<Parts>, End),
}

/// What podman says to a question of our own.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) async fn forward(upstream: &Upstream, request: Request<Body>) -> Result<Answer, ProxyError> {
    let is_head = request.method() == Method::HEAD;
    let wire = Wire::new(upstream.connect().await?);
    let mut builder = Builder::new();
    // podman gets the names as the client has them, and the client podman's.
    builder.preserve_header_case(true).title_case_headers(true).max_headers(1024);
    let (mut sender, mut connection) = builder.handshake(wire).await?;
    let (response, has_ended) = answer(pin!(sender.send_request(request)), &mut connection).await;
    let response = response?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS || !is_head && is_without_end(&response) {
        return Ok(raw(response, connection).await);
    }
    if !has_ended {
        // It ends with the answer, or when nobody reads that any more.
        tokio::spawn(connection);
    }
    Ok(Answer::Http(response.map(incoming)))
}

/// The answer, and whether the connection is done with HTTP.
async fn answer<F: Future>(
    mut answer: std::pin::Pin<&mut F>,
    connection: &mut Connection<Wire, Body>,
) -> (F::Output, bool) {
    let mut has_ended = false;
    poll_fn(|cx| {
        // What went wrong with it, the answer says as well.
        has_ended = has_ended || connection.poll_without_shutdown(cx).is_ready();
        match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready((answer, has_ended)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Whether only the end of the connection ends the answer. podman says of every other answer how long it is.
fn is_without_end<B>(response: &Response<B>) -> bool {
    let has_body = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let headers = response.headers();
    has_body && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING)
}

async fn raw(response: Response<hyper::body::Incoming>, connection: Connection<Wire, Body>) -> Answer {
    let taken = connection.into_parts();
    let (parts, mut body) = response.into_parts();
    let mut read = Vec::new();
    // hyper may have taken some of it for the body already.
    while let Some(Ok(frame)) = body.frame().await {
        read.extend(frame.into_data().unwrap_or_default());
    }
    read.extend(taken.read_buf);
    Answer::Raw(Box::new(parts), End { socket: taken.io.into_socket(), read: read.into() })
}

/// The head of an answer after which no HTTP follows, for which hyper has no function; names as podman writes them.
pub(crate) fn head(parts: &Parts) -> Vec<u8> {
    let version = if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let reason = parts.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    let reason = reason.unwrap_or(parts.status.canonical_reason().unwrap_or_default().as_bytes());
    let mut head = format!("{version} {} ", parts.status.as_u16()).into_bytes();
    head.extend([reason, b"\r\n"].concat());
    for (name, value) in &parts.headers {
        head.extend([title_case(name.as_str()).as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.write_all(b"\r\n").expect("memory takes it");
    head
}

fn title_case(name: &str) -> String {
    let word = |word: &str| word.get(..1).unwrap_or_default().to_ascii_uppercase() + word.get(1..).unwrap_or_default();
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// Asks podman something for ourselves.
pub(crate) async fn ask(upstream: &Upstream, path: &str) -> Result<Told, ProxyError> {
    let mut request = Request::new(empty());
    *request.uri_mut() = path.parse().expect("it is the path of a request, or a constant");
    request.headers_mut().insert(HOST, HeaderValue::from_static("d"));
    match forward(upstream, request).await? {
        Answer::Http(response) => {
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, OWN_ANSWER).collect().await.map_err(ProxyError::Body)?.to_bytes();
            Ok(Told { status: parts.status, headers: parts.headers, body })
        }
        Answer::Raw(parts, _) => Ok(Told { status: parts.status, headers: parts.headers, body: Bytes::new() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_as_podman_writes_it() {
        let response = Response::builder().status(101).header("content-type", "application/vnd.docker.raw-stream");
        let (mut parts, ()) = response.header("upgrade", "tcp").body(()).unwrap().into_parts();
        parts.extensions.insert(ReasonPhrase::from_static(b"UPGRADED"));
        let expected =
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nUpgrade: tcp\r\n\r\n";
        assert_eq!(String::from_utf8(head(&parts)).unwrap(), expected);
    }

    #[test]
    fn an_answer_without_a_length_goes_on_to_the_end() {
        let answer = |status: u16, header: Option<(&str, &str)>| {
            let response = Response::builder().status(status);
            header.into_iter().fold(response, |response, (name, value)| response.header(name, value)).body(()).unwrap()
        };
        assert!(is_without_end(&answer(200, None)));
        assert!(!is_without_end(&answer(200, Some(("content-length", "0")))));
        assert!(!is_without_end(&answer(200, Some(("transfer-encoding", "chunked")))));
        assert!(!is_without_end(&answer(204, None)));
    }
}
