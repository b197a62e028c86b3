//! Programs of the host: found in PATH, run, their words kept.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tracing::debug;

use crate::host::interrupt::{Interrupt, is_interrupted, ready};

/// How long a program may take to end in order.
const GRACE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Why a program did not run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Not in PATH.
    #[error("{program} is not installed, or not in PATH: install the package {program}")]
    Missing {
        /// Its name.
        program: String,
    },
    /// It could not be started.
    #[error("cannot start {program}")]
    Start {
        /// Its name.
        program: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The caller wished it.
    #[error("{program}: interrupted")]
    Interrupted {
        /// Its name.
        program: String,
    },
}

/// The first executable file `program` in PATH; a `program` with a slash is a path itself.
pub(crate) fn find(program: &str) -> Result<PathBuf, ProgramError> {
    if program.contains('/') && is_executable(Path::new(program)) {
        return Ok(PathBuf::from(program));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    candidates_in(&path, program).next().ok_or_else(|| ProgramError::Missing { program: program.to_owned() })
}

/// All executable files `program` in the folders of `path`, in its order.
pub(crate) fn candidates_in<'p>(path: &'p OsStr, program: &str) -> impl Iterator<Item = PathBuf> + use<'p> {
    let program = program.to_owned();
    env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(move |folder| folder.join(&program))
        .filter(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runs `command` without input until it ends, or an `interrupt` has it ended, and keeps what it prints. A terminal's
/// Ctrl-C does not reach it: what becomes of the work is for us to decide.
pub(crate) fn run(command: &mut Command, interrupt: Option<&Interrupt>) -> Result<Output, ProgramError> {
    let started = Instant::now();
    let done = match interrupt {
        Some(interrupt) if interrupt.is_raised() => Ok(None),
        _ => run_until(command, interrupt),
    };
    match done {
        Ok(Some(output)) => {
            log(command, output.status, started);
            Ok(output)
        }
        Ok(None) => Err(ProgramError::Interrupted { program: name_of(command) }),
        Err(source) => Err(start_error(command, source)),
    }
}

/// Notes a program that has ended.
pub(crate) fn log(command: &Command, status: ExitStatus, started: Instant) {
    let (program, arguments): (_, Vec<_>) = (command.get_program(), command.get_args().collect());
    debug!(?program, ?arguments, %status, elapsed_us = started.elapsed().as_micros() as u64, "a program ran");
}

fn run_until(command: &mut Command, interrupt: Option<&Interrupt>) -> io::Result<Option<Output>> {
    let (mut stdout, mut stderr) = (scratch()?, scratch()?);
    command.process_group(0).stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = command.spawn()?;
    let Some(status) = wait_until(&mut child, interrupt)? else {
        end(pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?.as_fd());
        // Only one that the kernel holds on to is still there.
        child.try_wait()?;
        return Ok(None);
    };
    Ok(Some(Output { status, stdout: read_back(&mut stdout)?, stderr: read_back(&mut stderr)? }))
}

/// How `child` ended; `None` once an `interrupt` is raised, and it may still be at work.
pub(crate) fn wait_until(child: &mut Child, interrupt: Option<&Interrupt>) -> io::Result<Option<ExitStatus>> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    match ready(pidfd.as_fd(), PollFlags::IN, interrupt) {
        Err(error) if is_interrupted(&error) => Ok(None),
        ended => ended.and_then(|()| child.wait()).map(Some),
    }
}

/// A file in memory for a program's words: it can print any amount, nobody has to read along, and what it leaves at work
/// in the background does not hold up who waits for the words.
pub(crate) fn scratch() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("words", MemfdFlags::CLOEXEC)?.into())
}

/// All that was written to `file`.
pub(crate) fn read_back(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sees to it that a process ends: by SIGTERM, or else by force.
pub(crate) fn end(process: BorrowedFd<'_>) {
    for signal in [Signal::TERM, Signal::KILL] {
        // It may have ended already; that is what is wanted.
        let _ = pidfd_send_signal(process, signal);
        // One that was stopped hears it only when it goes on.
        let _ = pidfd_send_signal(process, Signal::CONT);
        if ends_within(process, &GRACE) {
            return;
        }
    }
}

/// Whether a process has ended, or does so before `timeout` is over.
pub(crate) fn ends_within(process: BorrowedFd<'_>, timeout: &Timespec) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    matches!(poll(&mut fds, Some(timeout)), Ok(1..))
}

pub(crate) fn start_error(command: &Command, source: io::Error) -> ProgramError {
    ProgramError::Start { program: name_of(command), source }
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;
    use std::time::Duration;

    use rustix::process::kill_process;

    use super::*;

    #[test]
    fn an_interrupt_ends_the_program_that_is_waited_for() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let output = run(Command::new("sh").args(["-c", "echo words; exit 3"]), Some(&interrupt)).unwrap();
        assert_eq!((output.stdout, output.status.code()), (b"words\n".to_vec(), Some(3)));
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("begun");
        let script = format!("echo $$ > {0}.new; mv {0}.new {0}; kill -STOP $$; exec sleep 1000", mark.display());
        let raise = thread::spawn(move || {
            while !mark.exists() {
                thread::sleep(Duration::from_millis(1));
            }
            let pid = std::fs::read_to_string(mark).unwrap().trim().parse().unwrap();
            let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
            raiser.write_all(&[1]).unwrap();
            process
        });
        let ended = run(Command::new("sh").args(["-c", &script]), Some(&interrupt));
        assert!(matches!(ended, Err(ProgramError::Interrupted { .. })));
        assert!(ends_within(raise.join().unwrap().as_fd(), &Timespec { tv_sec: 0, tv_nsec: 0 }));
    }

    #[test]
    fn what_a_program_leaves_in_the_background_is_not_waited_for() {
        let output = run(Command::new("sh").args(["-c", "sleep 1000 & echo $!"]), None).unwrap();
        let sleeper = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(sleeper).unwrap(), Signal::KILL).unwrap();
    }
}
