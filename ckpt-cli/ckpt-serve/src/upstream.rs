//! podman's own service: one that is there, or one that is started for us and ends with us.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ckpt_core::passthrough::{PassthroughError, bound_to_thread};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::sleep;

/// How long a service that we start may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one may take to end.
const GRACE: Duration = Duration::from_secs(10);
/// How often is looked: nothing tells.
const RETRY: Duration = Duration::from_millis(10);

/// Why podman does not answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Nobody listens.
    #[error("connect to podman's service at {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// podman is not installed.
    #[error(transparent)]
    Missing(#[from] PassthroughError),
    /// It could not be started.
    #[error("start podman's service at {}", path.display())]
    Start {
        /// Its socket.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// It was started, and does not listen.
    #[error("podman's service at {} does not listen: {how}", path.display())]
    Deaf {
        /// Its socket.
        path: PathBuf,
        /// What became of it.
        how: String,
    },
}

/// Where podman answers.
#[derive(Debug)]
pub(crate) enum Upstream {
    /// Somebody else's, whom we do not end.
    Theirs(PathBuf),
    Ours(Box<OwnService>),
}

/// Started when somebody asks for it, and again if it ended.
#[derive(Debug)]
pub(crate) struct OwnService {
    folder: PathBuf,
    running: Mutex<Option<Child>>,
}

impl Upstream {
    /// A service of our own, whose socket is in `folder`, which nobody else has.
    pub(crate) fn ours(folder: PathBuf) -> Self {
        Upstream::Ours(Box::new(OwnService { folder, running: Mutex::new(None) }))
    }

    pub(crate) async fn connect(&self) -> Result<UnixStream, UpstreamError> {
        match self {
            Upstream::Theirs(path) => connect(path).await,
            Upstream::Ours(service) => service.connect().await,
        }
    }
}

async fn connect(path: &Path) -> Result<UnixStream, UpstreamError> {
    UnixStream::connect(path).await.map_err(|source| UpstreamError::Connect { path: path.to_owned(), source })
}

impl OwnService {
    fn socket(&self) -> PathBuf {
        self.folder.join("podman.sock")
    }

    async fn connect(&self) -> Result<UnixStream, UpstreamError> {
        if let Ok(connected) = connect(&self.socket()).await {
            return Ok(connected);
        }
        let mut running = self.running.lock().await;
        // Another client may have started it meanwhile.
        if let Ok(connected) = connect(&self.socket()).await {
            return Ok(connected);
        }
        end(running.take());
        let service = running.insert(self.start()?);
        self.wait_for(service).await
    }

    /// For as long as the thread lives that runs this, which is that of the whole program.
    fn start(&self) -> Result<Child, UpstreamError> {
        let error = |source| UpstreamError::Start { path: self.socket(), source };
        remove(&self.folder).map_err(error)?;
        DirBuilder::new().mode(0o700).create(&self.folder).map_err(error)?;
        let mut url = OsString::from("unix://");
        url.push(self.socket());
        let mut command = bound_to_thread(&["system".into(), "service".into(), "--time".into(), "0".into(), url])?;
        // What systemd has passed on is ours, and standard output has nothing for anybody.
        for passed_on in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"] {
            command.env_remove(passed_on);
        }
        let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(error)?;
        command.stdin(Stdio::null()).stdout(stderr).spawn().map_err(error)
    }

    async fn wait_for(&self, service: &mut Child) -> Result<UnixStream, UpstreamError> {
        let limit = Instant::now() + PATIENCE;
        loop {
            let error = match connect(&self.socket()).await {
                Ok(connected) => return Ok(connected),
                Err(error) => error,
            };
            let deaf = |how| Err(UpstreamError::Deaf { path: self.socket(), how });
            match service.try_wait() {
                Ok(Some(status)) => return deaf(format!("it ended, {status}")),
                Ok(None) if Instant::now() < limit => sleep(RETRY).await,
                Ok(None) => return deaf(format!("{error}, after {} s", PATIENCE.as_secs())),
                Err(source) => return Err(UpstreamError::Start { path: self.socket(), source }),
            }
        }
    }
}

impl Drop for OwnService {
    fn drop(&mut self) {
        end(self.running.get_mut().take());
        let _ = remove(&self.folder);
    }
}

/// By SIGTERM, upon which podman has its own children end in order; it is started with that as its parent-death signal
/// as well, for the case that we are killed.
fn end(service: Option<Child>) {
    let Some(mut service) = service else { return };
    // One that has ended was waited for, or is: its number is nobody else's.
    let _ = kill_process(Pid::from_child(&service), Signal::TERM);
    let limit = Instant::now() + GRACE;
    while matches!(service.try_wait(), Ok(None)) {
        if Instant::now() > limit {
            let _ = service.kill();
        }
        thread::sleep(RETRY);
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
