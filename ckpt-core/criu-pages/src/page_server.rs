//! Begins to serve.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use criu_images::Image;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, setsid, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::checkpoint::Checkpoint;
use crate::journal::Journal;
use crate::keeper;
use crate::readers::Readers;
use crate::reserve;
use crate::server;
use crate::setup::Setup;
use crate::status::{State, Status, StatusFile};
use crate::sys::{self, Fork};

/// Name of the socket that CRIU looks for in its working directory (`LAZY_PAGES_SOCK_NAME`, CRIU, `criu/uffd.c`).
pub const SOCKET_NAME: &str = "lazy-pages.socket";

/// Why nobody serves.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The status file cannot be made; it must not be there before.
    #[error("cannot make the status file {}", path.display())]
    StatusFile {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen at {}", path.display())]
    Listen {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The processes cannot be made.
    #[error("cannot start the page server")]
    Processes(#[source] Errno),
    /// The processes ended at once.
    #[error("the page server ended at once")]
    Ended,
}

/// A server of the pages of one restore, before it is started.
#[derive(Clone, Debug)]
pub struct PageServer {
    checkpoint: Checkpoint,
    socket: PathBuf,
    status: PathBuf,
    cgroup: Option<PathBuf>,
    occupied: Option<PathBuf>,
}

impl PageServer {
    /// `working_directory` is that of CRIU, where it looks for [`SOCKET_NAME`]; `status` is where the status file will
    /// be, on a file system that stays as long as the processes.
    pub fn new(checkpoint: Checkpoint, working_directory: &Path, status: &Path) -> Self {
        let socket = working_directory.join(SOCKET_NAME);
        Self { checkpoint, socket, status: status.to_owned(), cgroup: None, occupied: None }
    }

    /// The directory of the cgroup whose processes, and those of groups below, are killed when their memory is lost.
    ///
    /// It need not be there yet, and must not be that of who starts the server. With cgroups of version 1, that of any hierarchy. Without it, the restored processes
    /// and what descends from them are killed, as far as it can be found.
    #[must_use]
    pub fn cgroup(mut self, directory: &Path) -> Self {
        self.cgroup = Some(directory.to_owned());
        self
    }

    /// A path at which a file stands while memory is to come, from when there is nothing else.
    ///
    /// A dump of the processes meanwhile would take pages that are still to come for pages that never were: whoever begins
    /// dumps by making a directory there is held back.
    #[must_use]
    pub fn occupy(mut self, path: &Path) -> Self {
        self.occupied = Some(path.to_owned());
        self
    }

    /// Listens, and leaves two processes behind that serve; they are children of init, in a session of their own, and
    /// hold nothing of this process but the images.
    ///
    /// It forks without another program, so what memory this process has, those have as well, unless it is changed: call
    /// it early. Also call it before there are threads that may hold locks other than the allocator's,
    /// best before there are any.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left then.
    pub fn start(self) -> Result<Serving, StartError> {
        let status =
            lock_status(&self.status).map_err(|source| StartError::StatusFile { path: self.status.clone(), source })?;
        let started = self.start_with(status);
        if started.is_err() {
            let _ = fs::remove_file(&self.status);
            let _ = fs::remove_file(&self.socket);
        }
        started
    }

    fn start_with(&self, status: File) -> Result<Serving, StartError> {
        let listener =
            listen(&self.socket).map_err(|source| StartError::Listen { path: self.socket.clone(), source })?;
        let opened = StatusFile::open(&self.status)
            .map_err(|source| StartError::StatusFile { path: self.status.clone(), source })?;
        let (starter, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(StartError::Processes)?;
        let (started, child) = pipe_with(PipeFlags::CLOEXEC).map_err(StartError::Processes)?;
        match sys::fork().map_err(StartError::Processes)? {
            Fork::Child => {
                // Not into the frames of who called, which are another process's.
                let _ = catch_unwind(AssertUnwindSafe(|| self.become_keeper(listener, starter, status, child)));
                sys::exit(1)
            }
            Fork::Parent(pid) => drop(waitpid(Some(pid), WaitOptions::empty())),
        }
        drop(child);
        File::from(started).read_exact(&mut [0]).map_err(|_| StartError::Ended)?;
        Ok(Serving { starter: ours, status: opened })
    }

    /// In the child: leaves another that is nobody's, and there the two processes.
    fn become_keeper(&self, listener: UnixListener, starter: OwnedFd, status: File, started: OwnedFd) -> ! {
        let files = self.checkpoint.pages().iter().map(|image| image.file().as_raw_fd());
        let mut kept: Vec<RawFd> = files.collect();
        kept.extend([listener.as_raw_fd(), starter.as_raw_fd(), status.as_raw_fd(), started.as_raw_fd()]);
        match setsid().and_then(|_| sys::fork()) {
            Ok(Fork::Child) => {}
            _ => sys::exit(0),
        }
        sys::ignore_signals();
        detach(&kept);
        let Ok(mut journal) = Journal::create() else { sys::exit(1) };
        let piece = |image: &Image| (sys::borrow(image.file().as_raw_fd()), image.piece());
        // Never dropped: it is needed until the process ends.
        let setup = Box::leak(Box::new(Setup {
            server: server::run,
            keeper: keeper::run,
            readers: Readers::open(self.checkpoint.pages().iter().map(piece).collect()),
            checkpoint: self.checkpoint.clone(),
            listener: sys::keep_open(listener),
            starter: sys::keep_open(starter),
            status,
            status_path: self.status.clone(),
            socket_path: self.socket.clone(),
            cgroup: self.cgroup.clone(),
            occupied: self.occupied.clone(),
        }));
        let _ = rustix::io::write(&started, &[1]);
        drop(started);
        reserve::run(setup, &mut journal)
    }
}

/// Lets go of all but the descriptors that are `kept`, of the terminal, and of where this process was.
fn detach(kept: &[RawFd]) {
    let descriptors: Vec<RawFd> = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in descriptors {
        if !kept.contains(&descriptor) {
            sys::close(descriptor);
        }
    }
    if let Ok(null) = open("/dev/null", OFlags::RDWR, Mode::empty()) {
        let _ = (dup2_stdin(&null), dup2_stdout(&null), dup2_stderr(&null));
        if null.as_raw_fd() < 3 {
            let _ = sys::keep_open(null);
        }
    }
    let _ = std::env::set_current_dir("/");
    let _ = rustix::thread::set_name(c"criu-pages");
    // Needs a right that root has; without it, memory may become short for the server as for others.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
}

fn lock_status(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    flock(file.as_fd(), FlockOperation::LockExclusive)?;
    let status = Status {
        state: State::Listening,
        lazy_bytes: 0,
        arrived_bytes: 0,
        since: None,
        processes: [0; 3],
        reason: None,
    };
    status.write(&file)?;
    Ok(file)
}

/// A path may be longer than an address can be, so it is named by its directory's descriptor.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let directory = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let short = format!("/proc/self/fd/{}/{SOCKET_NAME}", directory.as_raw_fd());
    let listener = UnixListener::bind(&short)?;
    rustix::net::sockopt::set_socket_passcred(&listener, true)?;
    fs::set_permissions(&short, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// A server that was started.
///
/// Dropped before CRIU has come, the server ends; afterwards it goes on. For half a second at most, while this value is
/// there, one thread alone brings what nobody waits for: keep it for as long as you are in a hurry yourself.
#[derive(Debug)]
pub struct Serving {
    /// Its end tells the server that nobody will start CRIU any more.
    starter: OwnedFd,
    status: StatusFile,
}

impl Serving {
    /// What others find by [`StatusFile::open`].
    pub fn status(&self) -> &StatusFile {
        &self.status
    }

    /// Gives a restore up to which CRIU has not come, and waits until nothing is left of the server. One that CRIU has
    /// come to goes on.
    ///
    /// # Errors
    /// As [`StatusFile::read`].
    pub fn abandon(self) -> io::Result<Status> {
        drop(self.starter);
        self.status.wait_until(|status| status.state > State::Listening)
    }
}
