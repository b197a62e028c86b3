//! The process that does one client's work: `ckpt served`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as Socket;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::io::ioctl_fionbio;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::descriptors::Lent;
use crate::protocol::{Job, Terminal, line};
use crate::relay::write_all;
use crate::terminal;

/// This program, also after another one took its name.
const PROGRAM: &str = "/proc/self/exe";

/// Bytes that are read at once.
const CHUNK: usize = 4 << 10;

/// A process, and the other ends of what it has.
pub(crate) struct Worker {
    pub(crate) process: Child,
    /// Its standard input.
    pub(crate) control: Arc<UnixStream>,
    /// The same, over which it tells what it does.
    pub(crate) told: Output,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Worker {
    /// Starts it, with a terminal if the client has one, and gives it what there is to do.
    pub(crate) async fn start(job: &Job, lent: &Lent, terminal: Option<Terminal>) -> io::Result<Self> {
        let (control, theirs) = Socket::pair()?;
        control.set_nonblocking(true)?;
        let (stdout, their_stdout) = pipe()?;
        let (stderr, their_stderr) = terminal.map_or_else(pipe, terminal::open)?;
        let mut command = Command::new(PROGRAM);
        command
            .arg0("ckpt")
            .arg("served")
            .stdin(OwnedFd::from(theirs))
            .stdout(their_stdout)
            .stderr(Stdio::from(their_stderr));
        // What systemd has passed on is ours.
        for passed_on in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"] {
            command.env_remove(passed_on);
        }
        let control = Arc::new(UnixStream::from_std(control)?);
        let [stdout, stderr] = [Output::new(stdout)?, Output::new(stderr)?];
        let told = Output::new(control.as_fd().try_clone_to_owned()?)?;
        let process = command.spawn()?;
        drop(command);
        let mut worker = Worker { process, control, told, stdout, stderr };
        match worker.give(job, lent).await {
            Ok(()) => Ok(worker),
            Err(error) => {
                let _ = worker.process.kill();
                spawn_blocking(move || worker.process.wait());
                Err(error)
            }
        }
    }

    async fn give(&self, job: &Job, lent: &Lent) -> io::Result<()> {
        let job = line(job);
        let send = || lent.send(self.control.as_fd(), &job);
        let sent = self.control.async_io(Interest::WRITABLE, send).await?;
        write_all(&self.control, &job[sent..]).await
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// What a process says, to the end of the process: others that it has started may hold the other end open for longer.
pub(crate) struct Output {
    from: Receiver,
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Output {
    fn new(from: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&from, true)?;
        // Not only pipes: terminals and sockets are read in the same way.
        Ok(Output { from: Receiver::from_owned_fd_unchecked(from)?, begun: Vec::new() })
    }

    /// The next bytes; none when there will be no more.
    pub(crate) async fn bytes(&mut self, ended: &watch::Receiver<bool>) -> Option<Vec<u8>> {
        let mut ended = ended.clone();
        let mut chunk = vec![0; CHUNK];
        loop {
            // Before the look at what there is: then all was said.
            let has_ended = *ended.borrow_and_update();
            match self.from.try_read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => {
                    chunk.truncate(count);
                    return Some(chunk);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if has_ended {
                        return rest(&self.from, chunk);
                    }
                }
                // EIO is the end of a terminal.
                Err(_) => return None,
            }
            tokio::select! {
                ready = self.from.readable() => ready.ok()?,
                _ = ended.changed() => {}
            }
        }
    }

    /// The next text. What is no text is replaced.
    pub(crate) async fn text(&mut self, ended: &watch::Receiver<bool>) -> Option<String> {
        match self.bytes(ended).await {
            Some(bytes) => {
                self.begun.extend(bytes);
                let whole = whole_characters(&self.begun);
                let text: Vec<u8> = self.begun.drain(..whole).collect();
                Some(String::from_utf8_lossy(&text).into_owned())
            }
            None if self.begun.is_empty() => None,
            None => Some(String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()),
        }
    }
}

/// What is there now: tokio says so only once the kernel has told it.
fn rest(from: &Receiver, mut chunk: Vec<u8>) -> Option<Vec<u8>> {
    let count = rustix::io::read(from, &mut chunk[..]).ok()?;
    chunk.truncate(count);
    Some(chunk).filter(|chunk| !chunk.is_empty())
}

/// How many of the bytes are no mere beginning of a character.
fn whole_characters(bytes: &[u8]) -> usize {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_torn() {
        let bytes = "a \u{e9}".as_bytes();
        assert_eq!(whole_characters(bytes), 4);
        assert_eq!(whole_characters(&bytes[..3]), 2);
        // It is no beginning of anything.
        assert_eq!(whole_characters(b"a\xff\xff"), 3);
    }

    #[tokio::test]
    async fn all_that_was_said_is_read_though_others_hold_the_pipe() {
        let (reader, writer) = pipe().unwrap();
        let mut output = Output::new(reader).unwrap();
        let (has_ended, ended) = watch::channel(false);
        rustix::io::write(&writer, b"words").unwrap();
        has_ended.send_replace(true);
        assert_eq!(output.text(&ended).await.as_deref(), Some("words"));
        assert_eq!(output.text(&ended).await, None);
    }
}
