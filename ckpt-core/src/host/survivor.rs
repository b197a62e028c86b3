//! A program that goes on if this one is killed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

use rustix::event::Timespec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::interrupt::Interrupt;
use super::programs::{self, ProgramError};

/// A running program, which nobody has to read along for: one that complains to a pipe whose reader is dead is killed by
/// that (SIGPIPE, pipe(7)).
#[derive(Debug)]
pub(crate) struct Survivor {
    process: Child,
    complaints: File,
}

impl Survivor {
    /// Starts `command`, whose words go to the file `said`. Ctrl-C is not for it.
    pub(crate) fn start(command: &mut Command, said: File) -> Result<Self, ProgramError> {
        let start = |command: &mut Command| {
            let complaints = programs::scratch()?;
            command.process_group(0).stdin(Stdio::null()).stdout(said).stderr(complaints.try_clone()?);
            Ok(Survivor { process: command.spawn()?, complaints })
        };
        start(command).map_err(|source| programs::start_error(command, source))
    }

    /// Waits for its end, and gives its complaints; once an `interrupt` is raised, it is ended after `grace`.
    pub(crate) fn finish(mut self, grace: &Timespec, interrupt: Option<&Interrupt>) -> io::Result<Output> {
        if programs::wait_until(&mut self.process, interrupt)?.is_none() {
            let pidfd = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty())?;
            if !programs::ends_within(pidfd.as_fd(), grace) {
                programs::end(pidfd.as_fd());
            }
        }
        let status = self.process.wait()?;
        Ok(Output { status, stdout: Vec::new(), stderr: programs::read_back(&mut self.complaints)? })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::os::unix::process::ExitStatusExt;

    use rustix::process::Signal;

    use super::*;

    fn start(script: &str, said: &File) -> Survivor {
        Survivor::start(Command::new("sh").args(["-c", script]), said.try_clone().unwrap()).unwrap()
    }

    #[test]
    fn an_interrupted_program_may_take_its_time_up_to_a_limit() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        raiser.write_all(&[1]).unwrap();
        let said = programs::scratch().unwrap();
        let finish = |script, grace| {
            let grace = Timespec { tv_sec: grace, tv_nsec: 0 };
            start(script, &said).finish(&grace, Some(&interrupt)).unwrap()
        };
        assert_eq!(finish("sleep 0.1; echo words >&2", 1000).stderr, b"words\n");
        assert_eq!(finish("exec sleep 1000", 0).status.signal(), Some(Signal::TERM.as_raw()));
    }

    #[test]
    fn it_may_complain_when_nobody_can_hear_it_any_more() {
        let mut said = programs::scratch().unwrap();
        // As if this program had been killed: its files are closed, and nobody waits.
        let Survivor { mut process, complaints } = start("read -t 0.1 _; echo ouch >&2; echo done", &said);
        drop(complaints);
        assert!(process.wait().unwrap().success());
        said.rewind().unwrap();
        assert_eq!(io::read_to_string(said).unwrap(), "done\n");
    }
}
