//! In the process that does the work of one client: what is to be done, and who is told.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::net::RecvFlags;
use rustix::process::{Signal, getpid, kill_process};

use crate::descriptors;
use crate::outcome::Outcome;
use crate::protocol::{Job, REQUEST_BYTES, Reply, Told, line};

/// Why there is nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Standard input is no socket, or is broken.
    #[error("`ckpt serve` starts this, and says what is to be done on standard input")]
    Receive(#[source] io::Error),
    /// That is not understood.
    #[error("understand what `ckpt serve` says")]
    Understand(#[from] serde_json::Error),
}

/// What a client wants done.
#[derive(Debug)]
pub struct Task {
    /// A command line of `ckpt`, without the program.
    pub arguments: Vec<String>,
    /// Whose archives are trusted besides root's.
    pub caller: u32,
    /// Of the files that the client has opened.
    pub descriptors: Vec<File>,
    /// To the client, by way of the service.
    pub client: Client,
}

/// The client, as long as it is there.
#[derive(Clone, Debug)]
pub struct Client {
    socket: Arc<UnixStream>,
    replies: Arc<Mutex<Receiver<Reply>>>,
}

impl Task {
    /// Takes it from standard input. When the client wants no more, or is gone, this process gets SIGINT.
    ///
    /// # Errors
    /// [`TaskError`].
    pub fn receive() -> Result<Self, TaskError> {
        let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(TaskError::Receive)?;
        Task::receive_from(UnixStream::from(stdin))
    }

    fn receive_from(socket: UnixStream) -> Result<Self, TaskError> {
        let mut first = vec![0; REQUEST_BYTES];
        let received = descriptors::receive(socket.as_fd(), &mut first, RecvFlags::empty());
        let (descriptors, count) = received.map_err(TaskError::Receive)?;
        first.truncate(count);
        let stream = socket.try_clone().map_err(TaskError::Receive)?;
        let mut lines = BufReader::new(io::Cursor::new(first).chain(stream));
        let mut job = Vec::new();
        lines.read_until(b'\n', &mut job).map_err(TaskError::Receive)?;
        let Job { arguments, caller } = serde_json::from_slice(&job)?;
        // The client answers when it is asked, and is asked one thing at a time.
        let (tell, replies) = sync_channel(1);
        thread::spawn(move || listen(lines, &tell));
        let client = Client { socket: Arc::new(socket), replies: Arc::new(Mutex::new(replies)) };
        let descriptors: Vec<OwnedFd> = descriptors;
        Ok(Task { arguments, caller, descriptors: descriptors.into_iter().map(File::from).collect(), client })
    }
}

/// Until there is no more: then the work is to end, as if somebody had pressed Ctrl-C.
/// A line that is too long, and a reply that nobody has asked for, count as an end.
fn listen(mut lines: impl BufRead, tell: &SyncSender<Reply>) {
    let mut said = Vec::new();
    while matches!(lines.by_ref().take(REQUEST_BYTES as u64).read_until(b'\n', &mut said), Ok(1..)) {
        let Ok(reply) = serde_json::from_slice(&said) else { break };
        if let Err(TrySendError::Full(_)) = tell.try_send(reply) {
            break;
        }
        said.clear();
    }
    let _ = kill_process(getpid(), Signal::INT);
}

impl Client {
    /// Has the client keep the archive in the file of that descriptor, and waits until it has.
    ///
    /// # Errors
    /// What the client says; that it is gone, or wants no more.
    pub fn keep(&self, descriptor: usize, name: &str) -> io::Result<()> {
        self.tell(&Told::Whole { descriptor, name: name.to_owned() })?;
        match self.replies.lock().unwrap_or_else(PoisonError::into_inner).recv() {
            Ok(Reply::Kept) => Ok(()),
            Ok(Reply::NotKept(why)) => Err(io::Error::other(why)),
            Err(_) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone away")),
        }
    }

    /// Tells the service what came of the subcommand `operation`.
    pub fn done(&self, operation: &str, container: Option<String>, outcome: Outcome) {
        // A service that is gone notes nothing.
        let _ = self.tell(&Told::Done { operation: operation.to_owned(), container, outcome });
    }

    fn tell(&self, told: &Told) -> io::Result<()> {
        (&*self.socket).write_all(&line(told))
    }
}
