//! The FIFO that podman imports from: podman opens it three times, and waits at the third for what it is given.
//!
//! | podman opens the FIFO | the container | it gets |
//! |---|---|---|
//! | to learn the runtime | is not there | `config.dump`, `spec.dump` |
//! | to make the container | is not there | `config.dump`, `spec.dump` |
//! | to unpack the rest | is there, its overlay not yet mounted | what podman places itself, once all else is in place |

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::plan::RestorePlan;
use super::{RestoreOptions, RunError};
use crate::external;
use crate::session::{Session, SessionError};

/// Name of the FIFO in the session's folder.
const IMPORT: &str = "import";

/// How often the FIFO is tried while podman is on its way to it: there is no event for "somebody waits to read".
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000 };

/// How long podman may take to notice a broken archive and to clean up.
const GRACE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// A running `podman container restore`.
pub(crate) struct Door {
    child: Child,
    child_fd: OwnedFd,
    session: Session,
    fifo: PathBuf,
    stdout: File,
    stderr: File,
}

/// What podman said in the end.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Door {
    pub(crate) fn open(plan: &RestorePlan, options: &RestoreOptions) -> Result<Self, RunError> {
        let session = Session::begin()?;
        let fifo = session.fifo(IMPORT)?;
        let (stdout, stderr) =
            (tempfile::tempfile().map_err(RunError::Wait)?, tempfile::tempfile().map_err(RunError::Wait)?);
        let mut command = plan.podman.command();
        command
            .args(["container", "restore", "--print-stats", "--import"])
            .arg(&fifo)
            .args(options.podman_flags())
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().map_err(RunError::Wait)?)
            .stderr(stderr.try_clone().map_err(RunError::Wait)?);
        let child = command.spawn().map_err(|source| RunError::Start(external::start_error(&command, source)))?;
        let child_fd =
            pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|errno| RunError::Wait(errno.into()))?;
        Ok(Door { child, child_fd, session, fifo, stdout, stderr })
    }

    /// Waits until podman reads; `None` if it ended instead. The next one to open the FIFO gets another.
    pub(crate) fn next_reader(&self) -> Result<Option<Reader>, RunError> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        loop {
            match open(&self.fifo, flags, Mode::empty()) {
                Ok(pipe) => {
                    self.session.fifo(IMPORT)?;
                    rustix::fs::fcntl_setfl(&pipe, OFlags::empty()).map_err(|errno| RunError::Wait(errno.into()))?;
                    return Ok(Some(Reader { pipe: pipe.into() }));
                }
                // fifo(7): nobody has it open for reading.
                Err(Errno::NXIO) => {}
                Err(errno) => return Err(SessionError::new("open", &self.fifo, errno).into()),
            }
            if self.has_ended()? {
                return Ok(None);
            }
        }
    }

    fn has_ended(&self) -> Result<bool, RunError> {
        let mut fds = [PollFd::from_borrowed_fd(self.child_fd.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&RETRY)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(RunError::Wait(errno.into())),
        }
    }

    /// Sees to it that podman ends: by itself, now that its archive broke off, or else by force.
    pub(crate) fn abandon(&mut self) {
        let mut fds = [PollFd::from_borrowed_fd(self.child_fd.as_fd(), PollFlags::IN)];
        if !poll(&mut fds, Some(&GRACE)).is_ok_and(|ready| ready > 0) {
            // It may have ended since; that is what was wanted.
            let _ = self.child.kill();
        }
    }

    /// Waits for podman's end and gives its words.
    pub(crate) fn finish(mut self) -> Result<Said, RunError> {
        let status = self.child.wait().map_err(RunError::Wait)?;
        let stdout = read_back(&mut self.stdout).map_err(RunError::Wait)?;
        let stderr = read_back(&mut self.stderr).map_err(RunError::Wait)?;
        Ok(Said { status, stdout, stderr })
    }
}

/// podman, reading.
pub(crate) struct Reader {
    pipe: File,
}

impl Reader {
    /// Sends an archive. podman may have read enough before its end.
    pub(crate) fn send(mut self, mut archive: &File) -> Result<(), RunError> {
        let sent = archive.rewind().and_then(|()| io::copy(&mut archive, &mut self.pipe));
        match sent {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::Send(error)),
            _ => Ok(()),
        }
    }

    /// Sends what is no archive, so that podman fails; an empty pipe it would take for an archive without members.
    pub(crate) fn refuse(mut self) {
        // If podman is gone already, it has failed already.
        let _ = self.pipe.write_all(&[b'!'; 1024]);
    }
}

fn read_back(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
