//! One client's connection: requests one after the other, until it becomes a terminal's or is closed.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::response::Parts;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::answer::failure;
use crate::body::{Body, incoming};
use crate::caller::{Caller, Client};
use crate::calls::Call;
use crate::descriptors::peek;
use crate::proxy::{Answer, forward, head};
use crate::relay::{End, relay};
use crate::service::Service;
use crate::wire::Wire;
use crate::{checkpoint, command, metrics, restore};

/// The head of a request has to fit, bytes; also what is buffered of an answer for a slow reader. There may be many.
const BUFFER: usize = 128 << 10;

/// A connection to podman that the client's is to be joined with.
type Joined = (Box<Parts>, End);

/// Serves a client until it goes.
pub(crate) async fn serve(service: Arc<Service>, socket: UnixStream, caller: Caller) {
    // A client that is gone already needs no answer.
    let Ok(lent) = socket.async_io(Interest::READABLE, || peek(socket.as_fd())).await else { return };
    let wire = Wire::new(socket);
    let client = Client { caller, receipt: wire.receipt(), lent };
    let (join, mut joined) = mpsc::channel::<Joined>(1);
    let answer = service_fn(move |request| one(service.clone(), client.clone(), join.clone(), request));
    let mut builder = Builder::new();
    builder.preserve_header_case(true).title_case_headers(true).max_headers(1024).max_buf_size(BUFFER);
    let mut connection = builder.serve_connection(wire, answer);
    tokio::select! {
        // A client that is gone, or that speaks no HTTP, has been told what there is to tell.
        _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {}
        Some((parts, podman)) = joined.recv() => {
            let taken = connection.into_parts();
            let read = [&head(&parts)[..], &podman.read].concat();
            let client = End { socket: taken.io.into_socket(), read: taken.read_buf };
            relay(client, End { read: read.into(), ..podman }).await;
        }
    }
}

type Answered = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Answers one request.
fn one(service: Arc<Service>, client: Client, join: mpsc::Sender<Joined>, request: Request<Incoming>) -> Answered {
    let request = request.map(incoming);
    Box::pin(async move {
        if metrics::are_asked_for(&request) {
            return Ok(service.metrics.answer().await);
        }
        if command::is_asked_for(&request) {
            return Ok(command::answer(&service, &client, request.into_body()).await);
        }
        let answered = match Call::of(&request) {
            Some(Call::Checkpoint(call)) => checkpoint::answer(&service, &client, *call, request).await,
            Some(Call::Restore(options)) => restore::answer(&service, &client, *options, request).await,
            None => forward(&service.upstream, request).await,
        };
        match answered {
            Ok(Answer::Http(response)) => Ok(response),
            Ok(Answer::Raw(parts, podman)) => {
                // The connection is taken from hyper while this waits.
                let _ = join.send((parts, podman)).await;
                pending().await
            }
            Err(error) => Ok(failure(StatusCode::BAD_GATEWAY, HeaderMap::new(), &error, &[])),
        }
    })
}
