//! `POST …/containers/NAME/checkpoint?export=true`: the archive is the body of the answer.

use ckpt_core::EngineError;
use ckpt_core::checkpoint::{CheckpointError, CheckpointOptions, CheckpointReport, Export, Sink, checkpoint};
use ckpt_core::interrupt::Interrupt;
use http_body_util::BodyExt;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::answer::{failure, podmans_headers, words};
use crate::body::Body;
use crate::caller::Client;
use crate::calls::CheckpointCall;
use crate::export;
use crate::note::Note;
use crate::operations::RaiseOnDrop;
use crate::outcome::Outcome;
use crate::proxy::{Answer, ProxyError, ask, forward};
use crate::service::Service;

/// Of podman's description of a container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    id: String,
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
}

/// Answers the call, or has podman answer it where that has another answer than an archive.
pub(crate) async fn answer(
    service: &Service,
    client: &Client,
    call: CheckpointCall,
    request: Request<Body>,
) -> Result<Answer, ProxyError> {
    let told = ask(&service.upstream, &format!("{}/json", call.path)).await?;
    let described = serde_json::from_slice::<Description>(&told.body).ok().filter(|_| told.status == StatusCode::OK);
    let Some(container) = described.filter(|container| container.state.status == "running") else {
        return forward(&service.upstream, request).await;
    };
    let headers = podmans_headers(&told.headers);
    // Its ID: a name may be another container's by the time that it is this one's turn.
    let options = CheckpointOptions { container: container.id, ..call.options };
    let interruptible = RaiseOnDrop::new().map_err(ProxyError::Interrupt)?;
    match run(service, client, options, interruptible, &headers).await {
        Ok(response) => Ok(Answer::Http(response)),
        Err(error) if is_podmans(&error) => forward(&service.upstream, request).await,
        Err(error) => Ok(Answer::Http(failure(StatusCode::INTERNAL_SERVER_ERROR, headers, &error, error.details()))),
    }
}

/// Whether nothing was done, and podman has an answer: with another storage, and for what runs no more.
fn is_podmans(error: &CheckpointError) -> bool {
    use CheckpointError::{NotRunning, Podman};
    error.is_podmans_alone() || matches!(error, NotRunning { .. } | Podman(EngineError::UnknownContainer { .. }))
}

/// Begins the checkpoint on a thread of its own; gives the answer once the first byte of the archive is there.
async fn run(
    service: &Service,
    client: &Client,
    options: CheckpointOptions,
    (interrupt, raiser): (Interrupt, RaiseOnDrop),
    headers: &HeaderMap,
) -> Result<Response<Body>, CheckpointError> {
    let alone = service.busy.alone_with(&options.container).await;
    let (writer, reader) = export::channel();
    let options = CheckpointOptions { export: Export::Sink(Sink::new(writer)), interrupt: Some(interrupt), ..options };
    let mut note = Note::begin("checkpoint", Some(options.container.clone()), &client.caller, &service.metrics);
    let at_work = service.activity.begin();
    let (tell, outcome) = oneshot::channel();
    let (complain, complaint) = oneshot::channel();
    spawn_blocking(move || {
        let done = checkpoint(&options, &mut note);
        note.end(&outcome_of(&done));
        let _ = tell.send(done.is_ok());
        let _ = complain.send(done.err());
        // The reader sees the end with this, when the outcome is there.
        drop((options, alone, at_work));
    });
    match reader.archive(outcome, raiser, client.receipt.clone()).await {
        Some(archive) => Ok(with_archive(archive, headers)),
        None => match complaint.await {
            Ok(Some(error)) => Err(error),
            _ => panic!("a checkpoint that succeeds has written its archive"),
        },
    }
}

fn with_archive(archive: export::Archive, headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(archive.boxed_unsync());
    *response.headers_mut() = headers.clone();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet; charset=us-ascii"));
    response
}

fn outcome_of(done: &Result<CheckpointReport, CheckpointError>) -> Outcome {
    match done {
        Ok(report) => {
            let frozen = report.observed_frozen.or(report.frozen).map(|frozen| frozen.as_secs_f64());
            Outcome { id: Some(report.id.clone()), frozen_seconds: frozen, ..Outcome::default() }.moved(report.moved)
        }
        Err(error) => Outcome { error: Some(words(error)), ..Outcome::default() },
    }
}
