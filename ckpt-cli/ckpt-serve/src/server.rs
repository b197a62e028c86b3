//! Accepts connections, until nobody has come for a while, or a signal says that it is enough.

use std::future::{Future, pending};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::caller::Caller;
use crate::connection;
use crate::listen::{ListenError, Listening};
use crate::metrics::Metrics;
use crate::operations::{Activity, Busy};
use crate::service::Service;
use crate::upstream::Upstream;

/// podman's own socket, where its packages have it.
const PODMANS_SOCKET: &str = "/run/podman/podman.sock";

/// Checkpoints and restores at a time; further ones wait. Each has a thread.
const AT_A_TIME: usize = 256;

/// Pause after a connection that could not be taken, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// What to serve, and to whom.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where clients connect, unless systemd has passed a socket on.
    pub socket: PathBuf,
    /// Whose members may connect besides root.
    pub group: Option<String>,
    /// The socket of podman's own service. By default its usual one if it is there, else one is started.
    pub upstream: Option<PathBuf>,
    /// End after so long without a connection.
    pub idle: Option<Duration>,
}

/// Why the service has ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// CRIU and podman's storage are root's.
    #[error("only root can offer its containers to others: try again with sudo")]
    NotRoot,
    /// Nobody can connect.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The runtime of threads and timers did not start.
    #[error("prepare to serve")]
    Runtime(#[source] io::Error),
}

/// Serves until SIGTERM, SIGINT or SIGHUP, or until nobody has come for a while. What is at work then is undone, or
/// ended in order where it cannot be.
///
/// Call it on a program's only thread: a service of podman that is started ends with the thread that calls this.
///
/// # Errors
/// [`ServeError`].
pub fn serve(options: &ServeOptions) -> Result<(), ServeError> {
    if !rustix::process::geteuid().is_root() {
        return Err(ServeError::NotRoot);
    }
    let listening = Listening::begin(&options.socket, options.group.as_deref())?;
    allow_many_descriptors();
    // One thread for all connections: podman, CRIU and the copies of data are elsewhere.
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(AT_A_TIME).build();
    runtime.map_err(ServeError::Runtime)?.block_on(accept(options, &listening)).map_err(ServeError::Runtime)
}

/// A connection to a terminal takes two.
fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // With fewer it serves fewer.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

async fn accept(options: &ServeOptions, listening: &Listening) -> io::Result<()> {
    let mut told_to_end = Box::pin(told_to_end()?);
    let listener = listening.listener.try_clone()?;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let activity = Activity::new();
    let mut idle = Box::pin(idle(activity.watch(), options.idle));
    let (upstream, metrics) = (upstream(options, listening), Arc::new(Metrics::new()));
    let service = Arc::new(Service { upstream, busy: Busy::default(), activity: activity.clone(), metrics });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut told_to_end => break,
            () = &mut idle => break,
        };
        let Ok((socket, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        // A client that is gone already has no credentials.
        let Ok(caller) = Caller::of(&socket) else { continue };
        let at_work = activity.begin();
        let service = service.clone();
        connections.spawn(async move {
            connection::serve(service, socket, caller).await;
            drop(at_work);
        });
    }
    drop(listener);
    // What they wait for is interrupted by that.
    connections.shutdown().await;
    let mut at_work = activity.watch();
    while *at_work.borrow_and_update() > 0 && at_work.changed().await.is_ok() {}
    Ok(())
}

fn upstream(options: &ServeOptions, listening: &Listening) -> Upstream {
    let usual = || Some(PathBuf::from(PODMANS_SOCKET)).filter(|path| path.exists());
    match options.upstream.clone().or_else(usual) {
        Some(path) => Upstream::Theirs(path),
        None => Upstream::ours(listening.private_folder.clone()),
    }
}

/// Ends with the first signal.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Ends once nothing was at work for `limit`.
async fn idle(mut at_work: watch::Receiver<usize>, limit: Option<Duration>) {
    let Some(limit) = limit else { return pending().await };
    loop {
        let limit = if *at_work.borrow_and_update() == 0 { limit } else { Duration::MAX };
        if timeout(limit, at_work.changed()).await.is_err() {
            return;
        }
    }
}
