//! A program as a child process: it does not outlive this one, does not get its Ctrl-C, and what it prints is kept.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open};

use super::interrupt::{Interrupt, is_interrupted, ready};
use super::programs::{self, ProgramError};
use super::session;

/// `argv[0]` of this program where it is to become another.
pub(crate) const CALLED_AS: &str = "ckpt-child";

/// A child could not be started or waited for.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] ProgramError),
    /// It could not be waited for, or its words could not be read.
    #[error("wait for a program that was started")]
    Wait(#[source] io::Error),
}

/// A running program, ended and waited for when this value is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    /// The program without what starts it here, for the log.
    command: Command,
    started: Instant,
    process: process::Child,
    pidfd: OwnedFd,
    stdout: File,
    stderr: File,
}

/// What a program said in the end.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it printed.
    pub stdout: Vec<u8>,
    /// All that it complained of.
    pub stderr: Vec<u8>,
}

impl Child {
    /// Starts `program` with `arguments`, and `environment` beside this program's. In a session it gets a PATH of that,
    /// and has its temporary files, which are few and small then, where the next run finds what it leaves behind if it
    /// is killed; relative paths in its `arguments` are below the root then.
    ///
    /// It has a process group of its own, since Ctrl-C is for us to decide about, and a parent-death signal: podman
    /// would wait for ever at a FIFO whose other end is gone, with the container locked.
    pub(crate) fn start(
        program: &Path,
        arguments: &[OsString],
        path: Option<OsString>,
        environment: Option<(&str, &str)>,
    ) -> Result<Self, ChildError> {
        let scratch = || programs::scratch().map_err(ChildError::Wait);
        let (stdout, stderr) = (scratch()?, scratch()?);
        let mut command = command(program, arguments);
        command.envs(environment);
        if let Some(path) = path {
            // Where the caller is may be gone, which no conmon takes.
            command.env("PATH", path).env("TMPDIR", session::scratch()).current_dir("/");
        }
        command.stdout(stdout.try_clone().map_err(ChildError::Wait)?);
        command.stderr(stderr.try_clone().map_err(ChildError::Wait)?);
        let started = Instant::now();
        let process = command.spawn().map_err(|source| programs::start_error(&command, source))?;
        let pidfd = pidfd_open(Pid::from_child(&process), PidfdFlags::empty())
            .map_err(|errno| ChildError::Wait(errno.into()))?;
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(Child { command, started, process, pidfd, stdout, stderr })
    }

    /// Readable once the program has ended.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it has ended, or does so before `timeout` is over.
    pub(crate) fn ends_within(&self, timeout: &Timespec) -> bool {
        programs::ends_within(self.as_fd(), timeout)
    }

    /// Sees to it that it ends: by SIGTERM, or else by force.
    pub(crate) fn end(&mut self) {
        programs::end(self.as_fd());
    }

    /// Waits for its end, which an `interrupt` brings about, and gives its words.
    pub(crate) fn finish_until(mut self, interrupt: Option<&Interrupt>) -> Result<Said, ChildError> {
        match ready(self.as_fd(), PollFlags::IN, interrupt) {
            Err(error) if is_interrupted(&error) => self.end(),
            ended => ended.map_err(ChildError::Wait)?,
        }
        self.finish()
    }

    /// Waits for its end and gives its words.
    pub(crate) fn finish(mut self) -> Result<Said, ChildError> {
        let status = self.process.wait().map_err(ChildError::Wait)?;
        programs::log(&self.command, status, self.started);
        let stdout = programs::read_back(&mut self.stdout).map_err(ChildError::Wait)?;
        let stderr = programs::read_back(&mut self.stderr).map_err(ChildError::Wait)?;
        Ok(Said { status, stdout, stderr })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.end();
            // Nothing is left to be done about a process that cannot be waited for.
            let _ = self.process.wait();
        }
    }
}

/// Starts `program` with `arguments` in a process group of its own, and ends it by SIGTERM when the thread is gone that
/// has started it.
pub(crate) fn command(program: &Path, arguments: &[OsString]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(CALLED_AS).arg(process::id().to_string()).arg(program).args(arguments);
    command.process_group(0).stdin(Stdio::null());
    command
}

/// Becomes the program that the arguments name; returns only if that fails.
pub(crate) fn become_program() -> u8 {
    let mut arguments = env::args_os().skip(1);
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else { return 127 };
    if let Err(errno) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        eprintln!("Error: set the parent-death signal: {errno}");
        return 127;
    }
    // The parent may have died before the signal was set.
    if getppid().is_none_or(|pid| parent.to_str() != Some(&pid.as_raw_nonzero().to_string())) {
        return 127;
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("Error: cannot start {}: {error}", program.to_string_lossy());
    127
}

/// A poll(2) that a signal woke has found nothing.
pub(crate) fn poll_all(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> Result<(), ChildError> {
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(ChildError::Wait(errno.into())),
    }
}
