//! What podman and its CRIU wait for: the FIFO that podman imports from, which it opens three times, and CRIU's moments.
//!
//! | podman opens the FIFO | the container | it gets |
//! |---|---|---|
//! | to learn the runtime | is not there | `config.dump`, `spec.dump` |
//! | to make the container | is not there | `config.dump`, `spec.dump` |
//! | to unpack the rest | is there, its overlay not yet mounted | what podman places itself, once all else is in place |

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use layerfs::{Container, ContainersStorage};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::plan::RestorePlan;
use super::{RestoreOptions, RunError};
use crate::criu::configuration::Packets;
use crate::criu::hook::{HookCall, HookServer};
use crate::criu::orphans::Orphans;
use crate::host::child::{Child, Said, poll_all};
use crate::host::interrupt::{Interrupt, is_interrupted};
use crate::host::pipe;
use crate::host::session::{Session, SessionError};
use crate::recovery::Journal;
use crate::recovery::work::Work;

/// Name of the FIFO in the session's folder.
const IMPORT: &str = "import";

/// How often the FIFO is tried while podman is on its way to it: there is no event for "somebody waits to read".
const RETRY: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// How many times podman opens the FIFO, and how often it is tried after that, in case another podman opens it once more.
const READS: u32 = 3;
const RETRY_AFTER_ALL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How long nothing happens before that is told.
const SOME_TIME: Duration = Duration::from_millis(100);

/// How long podman may take to notice a broken archive and to clean up.
const GRACE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// What happens next.
pub(crate) enum Event {
    /// podman reads.
    Reads(Reader),
    /// CRIU waits.
    Moment(HookCall),
    /// Nothing, for some time.
    Nothing,
    /// podman ended.
    Ended,
}

/// A running `podman container restore`.
pub(crate) struct PodmanImport<'r> {
    podman: Child,
    hook: HookServer,
    session: Session,
    orphans: Orphans,
    fifo: PathBuf,
    storage: &'r ContainersStorage,
    options: &'r RestoreOptions,
    /// What podman has got a part of. Its end would be the archive's end to podman, so it stays open until podman ends.
    unfinished: Option<File>,
    /// How many times podman has opened the FIFO.
    reads: u32,
}

impl<'r> PodmanImport<'r> {
    pub(crate) fn open(
        plan: &'r RestorePlan<'r>,
        options: &'r RestoreOptions,
        session: Session,
    ) -> Result<Self, RunError> {
        let fifo = session.fifo(IMPORT)?;
        // The file that was looked at, whatever its path leads to by now.
        let descriptor = |file: &File| PathBuf::from(format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd()));
        let previous = plan.prepared.previous.as_ref().map(descriptor);
        let hook = HookServer::install(&session, &plan.criu_configuration(options), Packets::CriuDecides)?;
        let podman = plan.prepared.engine.start_restore(&fifo, previous.as_deref(), &options.request(), hook.path())?;
        let orphans = Orphans::from_now_on();
        Ok(PodmanImport {
            podman,
            hook,
            session,
            orphans,
            fifo,
            storage: &plan.prepared.storage,
            options,
            unfinished: None,
            reads: 0,
        })
    }

    /// Waits until podman reads, CRIU waits, or podman ended. The next one to open the FIFO gets another.
    ///
    /// An interrupt ends the waiting, but not while podman resumes the processes: stopped there, it would leave the
    /// runtime with a container that podman does not know.
    pub(crate) fn next_event(&mut self, container: Option<&Container>, journal: &Journal) -> Result<Event, RunError> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let begun = Instant::now();
        loop {
            journal.alive();
            if let Some(container) = container {
                let (work, bundle) = (Work::Restore(self.session.path()), self.storage.userdata_dir(container));
                self.orphans.kill(|pid| work.has_criu(pid, Some(&bundle)));
            }
            match open(&self.fifo, flags, Mode::empty()) {
                Ok(pipe) => {
                    self.session.fifo(IMPORT)?;
                    self.reads += 1;
                    return Ok(Event::Reads(Reader { pipe: pipe.into() }));
                }
                // fifo(7): nobody has it open for reading.
                Err(Errno::NXIO) => {}
                Err(errno) => return Err(SessionError::new("open", &self.fifo, errno).into()),
            }
            let [called, ended] = self.ready(container.is_some())?;
            // Who called may have been killed: then CRIU fails, and podman says so.
            if called && let Ok(call) = self.hook.accept() {
                return Ok(Event::Moment(call));
            }
            if ended {
                return Ok(Event::Ended);
            }
            if begun.elapsed() >= SOME_TIME {
                return Ok(Event::Nothing);
            }
        }
    }

    /// Whether CRIU waits, and whether podman has ended.
    fn ready(&self, is_resuming: bool) -> Result<[bool; 2], RunError> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.hook.as_fd(), PollFlags::IN)];
        fds.push(PollFd::from_borrowed_fd(self.podman.as_fd(), PollFlags::IN));
        if let Some(interrupt) = &self.options.interrupt
            && !is_resuming
        {
            fds.push(PollFd::from_borrowed_fd(interrupt.as_fd(), PollFlags::IN));
        }
        poll_all(&mut fds, Some(if self.reads < READS { &RETRY } else { &RETRY_AFTER_ALL }))?;
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd: &PollFd<'_>| !fd.revents().is_empty());
        if is_ready(2) {
            return Err(RunError::Interrupted);
        }
        Ok([is_ready(0), is_ready(1)])
    }

    /// Sends an archive to the `reader`, until an interrupt is raised.
    pub(crate) fn send(&mut self, reader: Reader, archive: &File) -> Result<(), RunError> {
        match send(archive, &reader.pipe, self.options.interrupt.as_ref()) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.unfinished = Some(reader.pipe);
                Err(error)
            }
        }
    }

    /// Sees to it that podman ends: by itself, if its archive was `refused`, or else by a signal.
    pub(crate) fn abandon(&mut self, refused: bool) {
        let ends_itself = refused && self.unfinished.is_none();
        if !(ends_itself && self.podman.ends_within(&GRACE)) {
            self.podman.end();
        }
    }

    /// Waits for podman's end and gives its words.
    pub(crate) fn finish(self) -> Result<Said, RunError> {
        Ok(self.podman.finish()?)
    }
}

/// podman, reading.
pub(crate) struct Reader {
    pipe: File,
}

impl Reader {
    /// Sends what is no archive, so that podman fails; an empty pipe it would take for an archive without members.
    pub(crate) fn refuse(mut self) {
        // If podman is gone already, it has failed already.
        let _ = self.pipe.write_all(&[b'!'; 1024]);
    }
}

/// podman may have read enough before the archive's end.
fn send(archive: &File, pipe: &File, interrupt: Option<&Interrupt>) -> Result<(), RunError> {
    match pipe::send(archive, pipe, interrupt) {
        Err(error) if is_interrupted(&error) => Err(RunError::Interrupted),
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(RunError::Send(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::thread;

    /// More than a pipe holds.
    fn archive() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 3 << 20]).unwrap();
        file
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_podman_that_stops_reading() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let (_reader, pipe) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let sender = thread::spawn(move || send(&archive(), &pipe.into(), Some(&interrupt)));
        raiser.write_all(&[1]).unwrap();
        assert!(matches!(sender.join().unwrap(), Err(RunError::Interrupted)));
    }

    #[test]
    fn a_podman_that_has_read_enough_is_no_error() {
        let (reader, pipe) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        drop(reader);
        send(&archive(), &pipe.into(), None).unwrap();
    }
}
