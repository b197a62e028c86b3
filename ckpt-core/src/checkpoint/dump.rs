//! podman at work on a checkpoint: it dumps, calls back through CRIU, and streams its metadata into a FIFO.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::plan::CheckpointPlan;
use super::{CheckpointOptions, DumpError};
use crate::criu_hook::{HookCall, HookServer};
use crate::external;
use crate::session::{Session, SessionError};

/// What happens next.
pub(crate) enum Event {
    /// CRIU is at its post-dump moment.
    Frozen(HookCall),
    /// podman began to stream its export.
    Export(File),
    /// podman ended.
    Ended,
}

/// A running `podman container checkpoint`.
pub(crate) struct Dump {
    child: Child,
    child_fd: OwnedFd,
    hook: HookServer,
    /// The reading end, until it is handed out.
    export: Option<File>,
    stdout: File,
    stderr: File,
    _session: Session,
}

/// What podman said in the end.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// At the default of 64 KiB, podman's writes and our reads take turns; 1 MiB is what an unprivileged pipe may have
/// (`fs.pipe-max-size`).
const PIPE_BYTES: usize = 1 << 20;

impl Dump {
    pub(crate) fn start(plan: &CheckpointPlan, options: &CheckpointOptions) -> Result<Self, DumpError> {
        let session = Session::begin()?;
        let hook = HookServer::install(&session)?;
        let fifo = session.fifo("export")?;
        // Non-blocking, so that it opens before there is a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let export = open(&fifo, flags, Mode::empty()).map_err(|errno| SessionError::new("open", &fifo, errno))?;
        // An administrator's smaller limit is no reason to stop.
        let _ = rustix::pipe::fcntl_setpipe_size(&export, PIPE_BYTES);
        let (stdout, stderr) = (scratch()?, scratch()?);
        let mut command = plan.podman.command();
        command
            .args(["container", "checkpoint", "--print-stats", "--ignore-rootfs", "--ignore-volumes"])
            .args(["--compress", "none", "--export"])
            .arg(&fifo)
            .args(options.podman_flags())
            .args(["--", &plan.facts.id])
            .env("PATH", hook.path())
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().map_err(DumpError::Wait)?)
            .stderr(stderr.try_clone().map_err(DumpError::Wait)?);
        let child = command.spawn().map_err(|source| DumpError::Start(external::start_error(&command, source)))?;
        let child_fd =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|errno| DumpError::Wait(errno.into()))?;
        Ok(Dump { child, child_fd, hook, export: Some(export.into()), stdout, stderr, _session: session })
    }

    /// Waits for the next thing to happen.
    pub(crate) fn next_event(&mut self) -> Result<Event, DumpError> {
        loop {
            let [hook, export, ended] = self.ready()?;
            if hook {
                return self.hook.accept().map(Event::Frozen).map_err(DumpError::Hook);
            }
            if export && let Some(export) = self.export.take() {
                let flags = rustix::fs::fcntl_getfl(&export).map_err(|errno| DumpError::Wait(errno.into()))?;
                rustix::fs::fcntl_setfl(&export, flags - OFlags::NONBLOCK)
                    .map_err(|errno| DumpError::Wait(errno.into()))?;
                return Ok(Event::Export(export));
            }
            if ended {
                return Ok(Event::Ended);
            }
        }
    }

    /// Whether the hook, the export and the end are there.
    fn ready(&self) -> Result<[bool; 3], DumpError> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.hook.as_fd(), PollFlags::IN)];
        fds.push(PollFd::from_borrowed_fd(self.child_fd.as_fd(), PollFlags::IN));
        if let Some(export) = &self.export {
            fds.push(PollFd::from_borrowed_fd(export.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(DumpError::Wait(errno.into())),
        }
        // A FIFO whose writer has come and gone says HUP alone: then there is nothing to read.
        let is_in = |at: usize| fds.get(at).is_some_and(|fd| fd.revents().contains(PollFlags::IN));
        Ok([is_in(0), is_in(2), is_in(1)])
    }

    /// Waits for podman's end and gives its words.
    pub(crate) fn finish(mut self) -> Result<Said, DumpError> {
        let status = self.child.wait().map_err(DumpError::Wait)?;
        let stdout = read_back(&mut self.stdout).map_err(DumpError::Wait)?;
        let stderr = read_back(&mut self.stderr).map_err(DumpError::Wait)?;
        Ok(Said { status, stdout, stderr })
    }
}

/// A nameless file for a program's words: it can print any amount, and nobody has to read along.
fn scratch() -> Result<File, DumpError> {
    tempfile::tempfile().map_err(DumpError::Wait)
}

fn read_back(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
