//! Programs of the host: found in PATH, run, their words kept.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::host::interrupt::{Interrupt, ready};

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

/// Runs `command` to its end without input, and keeps what it prints. A terminal's Ctrl-C does not reach it: what becomes
/// of the work is for us to decide.
pub(crate) fn run(command: &mut Command) -> Result<Output, ProgramError> {
    command.process_group(0).stdin(Stdio::null()).output().map_err(|source| start_error(command, source))
}

/// As [`run`], until the `interrupt` is raised: then the program is ended.
pub(crate) fn run_until(command: &mut Command, interrupt: &Interrupt) -> Result<Output, ProgramError> {
    let (done, at_work) = io::pipe().map_err(|source| start_error(command, source))?;
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| start_error(command, source))?;
    let failed = |source| start_error(command, source);
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|errno| failed(errno.into()))?;
    let output = thread::spawn(move || {
        let output = child.wait_with_output();
        drop(at_work);
        output
    });
    if ready(done.as_fd(), PollFlags::IN, Some(interrupt)).is_err() {
        end(pidfd.as_fd());
        return Err(ProgramError::Interrupted { program: name_of(command) });
    }
    output.join().expect("nothing in it panics").map_err(failed)
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_interrupt_ends_the_program_that_is_waited_for() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let output = run_until(Command::new("sh").args(["-c", "echo words; exit 3"]), &interrupt).unwrap();
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
        let ended = run_until(Command::new("sh").args(["-c", &script]), &interrupt);
        assert!(matches!(ended, Err(ProgramError::Interrupted { .. })));
        assert!(ends_within(raise.join().unwrap().as_fd(), &Timespec { tv_sec: 0, tv_nsec: 0 }));
    }
}
