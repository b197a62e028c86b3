//! `POST /ckpt/v1/command`: a command line of `ckpt`, for files that the client has opened.
//!
//! A process of its own does the work, `ckpt served`. It ends in order when its standard input ends: when the client wants
//! no more, when that is gone, and when this service is killed.

use std::io;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};

use crate::answer::failure;
use crate::body::{Body, Pieces};
use crate::caller::Client;
use crate::note::Note;
use crate::operations::AtWork;
use crate::outcome::Outcome;
use crate::protocol::{self, Answer, Job, Lines, PATH, REQUEST_BYTES, Told, line};
use crate::service::Service;
use crate::worker::{Output, Worker};

/// Answers that wait for a slow client. What it does not read of standard error then is dropped, so that the work goes on.
const WAITING: usize = 1024;

/// Lines of JSON, as they come.
const KIND: &str = "application/x-ndjson";

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("the request has to be a line of JSON of at most {REQUEST_BYTES} bytes")]
    NoLine,
    #[error("understand the request")]
    Request(#[from] serde_json::Error),
    #[error("start the work")]
    Start(#[source] io::Error),
}

impl CommandError {
    fn status(&self) -> StatusCode {
        match self {
            CommandError::Start(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && request.uri().path() == PATH
}

pub(crate) async fn answer(service: &Arc<Service>, client: &Client, body: Body) -> Response<Body> {
    match begin(service, client, body).await {
        Ok(pieces) => {
            let mut response = Response::new(pieces.boxed());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(KIND));
            response
        }
        Err(error) => failure(error.status(), HeaderMap::new(), &error, &[]),
    }
}

async fn begin(service: &Arc<Service>, client: &Client, mut body: Body) -> Result<Pieces, CommandError> {
    let mut lines = Lines::default();
    let request = loop {
        if let Some(request) = lines.next::<protocol::Request>() {
            break request?;
        }
        let frame = body.frame().await.and_then(Result::ok).ok_or(CommandError::NoLine)?;
        lines.add(&frame.into_data().unwrap_or_default());
        if lines.rest().len() > REQUEST_BYTES {
            return Err(CommandError::NoLine);
        }
    };
    let uid = client.caller.uid;
    let caller = if uid == 0 { request.sudo_uid.unwrap_or(0) } else { uid };
    let job = Job { arguments: request.arguments, caller };
    let worker = Worker::start(&job, &client.lent, request.terminal).await.map_err(CommandError::Start)?;
    let note = Note::begin("command", None, &client.caller, &service.metrics);
    let (say, said) = mpsc::channel(WAITING);
    let rest = lines.rest().to_vec();
    tokio::spawn(supervise(worker, (rest, body), say, note, service.activity.begin()));
    Ok(Pieces::new(said))
}

type Say = mpsc::Sender<Vec<u8>>;

/// Until the work is done, whether or not somebody listens.
async fn supervise(worker: Worker, from_client: (Vec<u8>, Body), say: Say, note: Note, at_work: AtWork) {
    let Worker { mut process, control, told, stdout, stderr } = worker;
    let (has_ended, ended) = watch::channel(false);
    let mut listening = JoinSet::new();
    listening.spawn(hear(from_client, control));
    let mut outputs = JoinSet::new();
    outputs.spawn(say_all(stdout, ended.clone(), say.clone(), Answer::Stdout));
    outputs.spawn(say_what_can_be(stderr, ended.clone(), say.clone(), Answer::Stderr));
    let told = tokio::spawn(tell(told, ended, say.clone()));
    let status = spawn_blocking(move || process.wait()).await;
    has_ended.send_replace(true);
    outputs.join_all().await;
    let (operation, container, outcome) = told.await.ok().flatten().unwrap_or_else(|| {
        let error = format!("it ended, and told nothing: {status:?}");
        ("command".to_owned(), None, Outcome { error: Some(error), ..Outcome::default() })
    });
    note.of(operation, container).end(&outcome);
    let code = status.ok().and_then(Result::ok).and_then(|status| status.code()).and_then(|code| code.try_into().ok());
    // Nobody may be there to hear it.
    let _ = say.send(line(&Answer::Status(code.unwrap_or(1)))).await;
    drop((listening, at_work));
}

/// What the client says. When it says no more, the process is told so, and ends.
async fn hear((first, mut body): (Vec<u8>, Body), control: Arc<tokio::net::UnixStream>) {
    let mut said = first;
    loop {
        if crate::relay::write_all(&control, &said).await.is_err() {
            return;
        }
        match body.frame().await {
            Some(Ok(frame)) => said = frame.into_data().unwrap_or_default().to_vec(),
            Some(Err(_)) | None => break,
        }
    }
    // It has ended itself if this fails.
    let _ = rustix::net::shutdown(&control, rustix::net::Shutdown::Write);
}

async fn say_all(mut output: Output, ended: watch::Receiver<bool>, say: Say, answer: fn(String) -> Answer) {
    while let Some(text) = output.text(&ended).await {
        let _ = say.send(line(&answer(text))).await;
    }
}

/// The container may stand still while the process says it: it must not wait for a client.
async fn say_what_can_be(mut output: Output, ended: watch::Receiver<bool>, say: Say, answer: fn(String) -> Answer) {
    while let Some(text) = output.text(&ended).await {
        let _ = say.try_send(line(&answer(text)));
    }
}

/// What the process tells of itself, and what it wants told to the client.
async fn tell(mut output: Output, ended: watch::Receiver<bool>, say: Say) -> Option<(String, Option<String>, Outcome)> {
    let (mut lines, mut done) = (Lines::default(), None);
    while let Some(bytes) = output.bytes(&ended).await {
        lines.add(&bytes);
        while let Some(told) = lines.next() {
            match told {
                Ok(Told::Whole { descriptor, name }) => {
                    let _ = say.send(line(&Answer::Whole { descriptor, name })).await;
                }
                Ok(Told::Done { operation, container, outcome }) => done = Some((operation, container, outcome)),
                Err(_) => return done,
            }
        }
    }
    done
}
