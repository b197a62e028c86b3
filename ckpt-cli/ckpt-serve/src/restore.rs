//! `POST …/containers/NAME/restore?import=true`: the archive is the body of the request.

use std::sync::Arc;

use ckpt_core::restore::{Import, RestoreError, RestoreOptions, RestoreReport, check_host, restore};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::answer::{self, failure, podmans_headers, words};
use crate::body::Body;
use crate::caller::Client;
use crate::import;
use crate::note::Note;
use crate::operations::RaiseOnDrop;
use crate::outcome::Outcome;
use crate::proxy::{Answer, ProxyError, ask, forward};
use crate::service::Service;

/// What the archive is called in messages.
const NAME: &str = "the archive";

const TELLS: &str = "the thread tells what it has done";

/// Answers the call, or has podman answer it where only that can work with the storage.
pub(crate) async fn answer(
    service: &Service,
    client: &Client,
    options: RestoreOptions,
    request: Request<Body>,
) -> Result<Answer, ProxyError> {
    if is_podmans_alone().await {
        return forward(&service.upstream, request).await;
    }
    let headers = podmans_headers(&ask(&service.upstream, "/libpod/_ping").await?.headers);
    Ok(Answer::Http(match run(service, client, options, request.into_body()).await? {
        Ok(report) => answer::json(StatusCode::OK, headers, &podmans_report(&report)),
        Err(error) => refused(headers, &error),
    }))
}

/// Asked before the archive is read, which can be read only once. Any other obstacle shows again at the restore.
async fn is_podmans_alone() -> bool {
    let checked = spawn_blocking(|| check_host(false, None)).await;
    matches!(checked, Ok(Err(error)) if error.is_podmans_alone())
}

/// Restores on a thread of its own, while the archive comes.
async fn run(
    service: &Service,
    client: &Client,
    options: RestoreOptions,
    body: Body,
) -> Result<Result<RestoreReport, RestoreError>, ProxyError> {
    let (interrupt, raiser) = RaiseOnDrop::new().map_err(ProxyError::Interrupt)?;
    let (pump, archive) = import::pipe().map_err(ProxyError::Pipe)?;
    let import = Import::Opened { file: Arc::new(archive), name: NAME.into(), has_path: false };
    let options = RestoreOptions { import, caller: Some(client.caller.uid), interrupt: Some(interrupt), ..options };
    let mut note = Note::begin("restore", options.name.clone(), &client.caller, &service.metrics);
    let at_work = service.activity.begin();
    let (tell, mut told) = oneshot::channel();
    spawn_blocking(move || {
        let done = restore(&options, &mut note);
        note.end(&outcome_of(&done));
        // The pump sees with the options that nobody reads any more.
        drop(options);
        let _ = tell.send(done);
        drop(at_work);
    });
    let broken_off = tokio::select! {
        done = &mut told => return Ok(done.expect(TELLS)),
        pumped = pump.all_of(body) => pumped.err(),
    };
    // What came must not look like a whole archive: the interrupt is raised before the pipe is closed. Where the whole
    // archive has come, it is raised if the client goes now, since this is dropped then.
    let raiser = if broken_off.is_some() {
        drop(raiser);
        None
    } else {
        Some(raiser)
    };
    let done = told.await.expect(TELLS);
    drop((raiser, broken_off));
    Ok(done)
}

fn refused(headers: HeaderMap, error: &RestoreError) -> Response<Body> {
    failure(StatusCode::INTERNAL_SERVER_ERROR, headers, error, error.details())
}

/// podman's `RestoreReport`.
fn podmans_report(report: &RestoreReport) -> Value {
    let podmans = &report.podman_stats["container_statistics"][0];
    json!({
        "Id": report.id,
        "runtime_restore_duration": podmans["runtime_restore_duration"].as_u64().unwrap_or_default(),
        "criu_statistics": podmans["criu_statistics"],
    })
}

fn outcome_of(done: &Result<RestoreReport, RestoreError>) -> Outcome {
    match done {
        Ok(report) => Outcome { id: Some(report.id.clone()), ..Outcome::default() }.moved(report.moved),
        Err(error) => Outcome { error: Some(words(error)), ..Outcome::default() },
    }
}
