//! Has `ckpt serve` do what a command line says, with files that are opened here.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::header::{EXPECT, HOST};
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::body::Pieces;
use crate::descriptors::Lent;
use crate::protocol::{Answer, Lines, PATH, Reply, Request, line};
use crate::wire::Wire;

/// What shells give for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// The longest refusal, bytes.
const REFUSAL: usize = 1 << 20;

/// Why there is no exit status.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket is not there, or not for this user.
    #[error("connect to {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// podman's own service, for example.
    #[error("{} is no socket of `ckpt serve`: it answers {status}", path.display())]
    NoService {
        /// The socket.
        path: PathBuf,
        /// Its answer.
        status: StatusCode,
    },
    /// The service says why.
    #[error("{}", message.escape_debug())]
    Refused {
        /// Its words.
        message: String,
    },
    /// Nothing that this program understands.
    #[error("understand the service's answer")]
    Understand(#[from] serde_json::Error),
    /// The connection broke off.
    #[error("talk to the service")]
    Http(#[from] hyper::Error),
    /// The service has ended in the middle.
    #[error(
        "the service ended before its work was done; what it had begun is undone by itself: look at `podman ps -a`"
    )]
    Gone,
    /// There are no threads, signals or descriptors.
    #[error("prepare to talk to the service")]
    Prepare(#[from] io::Error),
}

/// Who hears what the service says.
pub trait Listener {
    /// Text for standard output.
    fn stdout(&mut self, text: &str);
    /// Text for standard error.
    fn stderr(&mut self, text: &str);
    /// The archive in the file of that descriptor is whole: it is to get its name, `name` if it is one of many.
    ///
    /// # Errors
    /// Why it has none, in words.
    fn keep(&mut self, descriptor: usize, name: &str) -> Result<(), String>;
}

/// Has the service at `socket` do it, and gives the exit status. Ctrl-C, SIGTERM and SIGHUP have the work undone; at the
/// second, nobody waits for that.
///
/// # Errors
/// [`ClientError`].
pub fn command(
    socket: &Path,
    request: &Request,
    descriptors: Vec<OwnedFd>,
    listener: &mut dyn Listener,
) -> Result<u8, ClientError> {
    Builder::new_current_thread().enable_io().build()?.block_on(run(socket, request, descriptors, listener))
}

async fn run(
    socket: &Path,
    request: &Request,
    descriptors: Vec<OwnedFd>,
    listener: &mut dyn Listener,
) -> Result<u8, ClientError> {
    let mut signals = Signals::caught()?;
    let connected = UnixStream::connect(socket).await;
    let connected = connected.map_err(|source| ClientError::Connect { path: socket.to_owned(), source })?;
    let (say, said) = mpsc::channel(1);
    say.send(line(request)).await.expect("the receiver is there");
    let (mut sender, connection) = handshake(Wire::lending(connected, Lent::of(descriptors))).await?;
    tokio::spawn(connection);
    let post = HttpRequest::builder().method(Method::POST).uri(PATH).header(HOST, "d");
    // Else podman's own service would read all of the body, which does not end, before it says that it knows no such path.
    let post = post.header(EXPECT, "100-continue").body(Pieces::new(said));
    let response = sender.send_request(post.expect("its parts are constants")).await?;
    if response.status() != StatusCode::OK {
        return Err(refusal(socket, response).await);
    }
    let mut body = response.into_body();
    let (mut say, mut lines) = (Some(say), Lines::default());
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = signals.next() => {
                // The end of what we say is the wish that the work end.
                if say.take().is_none() {
                    return Ok(INTERRUPTED);
                }
                continue;
            }
        };
        let Some(Ok(frame)) = frame else { return Err(ClientError::Gone) };
        lines.add(&frame.into_data().unwrap_or_default());
        while let Some(answer) = lines.next() {
            match answer? {
                Answer::Stdout(text) => listener.stdout(&text),
                Answer::Stderr(text) => listener.stderr(&text),
                Answer::Status(status) => return Ok(status),
                Answer::Whole { descriptor, name } => {
                    // Who wanted it to end does not want it any more.
                    let Some(say) = &say else { continue };
                    let reply = listener.keep(descriptor, &name).map_or_else(Reply::NotKept, |()| Reply::Kept);
                    // The answer says what becomes of that.
                    let _ = say.send(line(&reply)).await;
                }
            }
        }
    }
}

async fn refusal(socket: &Path, response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let none = || ClientError::NoService { path: socket.to_owned(), status };
    if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED {
        return none();
    }
    let body = Limited::new(response.into_body(), REFUSAL).collect().await.map(|body| body.to_bytes());
    let json = serde_json::from_slice::<serde_json::Value>(&body.unwrap_or_default()).unwrap_or_default();
    json["message"].as_str().map_or_else(none, |message| ClientError::Refused { message: message.to_owned() })
}

struct Signals([Signal; 3]);

impl Signals {
    fn caught() -> io::Result<Self> {
        let caught = |kind| signal(kind);
        Ok(Signals([caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?, caught(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
