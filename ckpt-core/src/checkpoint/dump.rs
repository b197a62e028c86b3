//! podman at work on a checkpoint: it dumps, calls back through CRIU, and streams its metadata into a FIFO.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags, open};

use super::images::{self, ImagesError};
use super::plan::CheckpointPlan;
use super::{CheckpointOptions, DumpError};
use crate::archive::CHECKPOINT;
use crate::criu::configuration::{KNOWS_NO_LOCK, Packets};
use crate::criu::hook::{HookCall, HookServer};
use crate::criu::link_remaps::LinkRemaps;
use crate::criu::orphans::{INTERVAL, Orphans};
use crate::criu::prefreeze;
use crate::criu::watched;
use crate::engine::cgroup::in_cgroup_of;
use crate::engine::{bundle, freeze_group, versions};
use crate::host::child::{Child, ChildError, Said, poll_all};
use crate::host::interrupt::Interrupt;
use crate::host::session::{Session, SessionError};
use crate::host::waiting::Waiting;
use crate::progress::Progress;
use crate::recovery::work::{self, Work};

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
    podman: Child,
    hook: HookServer,
    /// The reading end, until it is handed out.
    export: Option<File>,
    orphans: Orphans,
    session: Session,
}

/// At the default of 64 KiB, podman's writes and our reads take turns; 1 MiB is what an unprivileged pipe may have
/// (`fs.pipe-max-size`).
const PIPE_BYTES: usize = 1 << 20;

/// How long an interrupt lets a podman be silent that has yet to finish its export.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

impl Dump {
    /// Starts podman, whose CRIU says that it is of the version `criu`.
    pub(crate) fn start(
        plan: &CheckpointPlan,
        options: &CheckpointOptions,
        criu: &str,
        remaps: &LinkRemaps,
        progress: &mut dyn Progress,
    ) -> Result<Self, DumpError> {
        let images = bundle(&plan.facts).join(CHECKPOINT);
        images::put_back(&images)
            .map_err(|source| ImagesError::new("put back what a killed run left of", &images, source))?;
        images::clear(&images)?;
        let session = Session::begin(&mut Waiting::new(options.interrupt.as_ref(), progress))?;
        session.set_container(&plan.facts.id)?;
        remaps
            .note(session.path())
            .map_err(|source| SessionError::new("note open files in", session.path(), source))?;
        let watched = watched::scan_paths(plan.facts.state.pid, in_cgroup_of(&plan.facts.id));
        let connections = if options.tcp_close { "tcp-close\n" } else { "" };
        let hook = HookServer::install(&session, &format!("{watched}{connections}"), packets(options, criu))?;
        if let Some(group) = freeze_group::of(&plan.facts.id) {
            prefreeze::plan(&session, &group)?;
        }
        let fifo = session.fifo("export")?;
        // Non-blocking, so that it opens before there is a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let export = open(&fifo, flags, Mode::empty()).map_err(|errno| SessionError::new("open", &fifo, errno))?;
        // An administrator's smaller limit is no reason to stop.
        let _ = rustix::pipe::fcntl_setpipe_size(&export, PIPE_BYTES);
        let podman = plan.engine.start_checkpoint(&plan.facts.id, &fifo, &options.request(), hook.path())?;
        Ok(Dump { podman, hook, export: Some(export.into()), orphans: Orphans::from_now_on(), session })
    }

    /// Waits for the next thing to happen.
    ///
    /// An interrupt is heard when CRIU calls, which undoes its dump then. Where there is no CRIU, and podman stands
    /// still before its export (it waits for another podman, say), the interrupt ends the wait. What comes after the
    /// export is podman's removal of the container among others, of which a half must not be.
    pub(crate) fn next_event(&mut self, interrupt: Option<&Interrupt>) -> Result<Event, DumpError> {
        let mut silent_since = None;
        loop {
            let [hook, export, ended] = self.ready()?;
            let work = Work::Dump(self.session.path());
            self.orphans.kill(|pid| work.has_criu(pid, None));
            if hook {
                return self.hook.accept().map(Event::Frozen).map_err(DumpError::Hook);
            }
            if export && let Some(export) = self.export.take() {
                rustix::fs::fcntl_setfl(&export, OFlags::empty()).map_err(|errno| ChildError::Wait(errno.into()))?;
                return Ok(Event::Export(export));
            }
            if ended {
                return Ok(Event::Ended);
            }
            let is_to_end = self.export.is_some() && interrupt.is_some_and(Interrupt::is_raised);
            if !is_to_end || work.is_at_criu() {
                silent_since = None;
            } else if silent_since.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                return Err(DumpError::Interrupted);
            }
        }
    }

    /// Whether CRIU called, the export began, and podman ended. Waits for one of these until it is time to look for
    /// orphans.
    fn ready(&self) -> Result<[bool; 3], DumpError> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.hook.as_fd(), PollFlags::IN)];
        fds.push(PollFd::from_borrowed_fd(self.podman.as_fd(), PollFlags::IN));
        if let Some(export) = &self.export {
            fds.push(PollFd::from_borrowed_fd(export.as_fd(), PollFlags::IN));
        }
        let interval = Timespec { tv_sec: INTERVAL.as_secs() as i64, tv_nsec: 0 };
        poll_all(&mut fds, Some(&interval))?;
        // A FIFO whose writer has come and gone without a byte says HUP: an export as well, an empty one.
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok([is_ready(0), is_ready(2), is_ready(1)])
    }

    /// Whether podman has ended. Then nobody is left to keep what CRIU does next.
    pub(crate) fn has_ended(&self) -> bool {
        self.podman.ends_within(&Timespec { tv_sec: 0, tv_nsec: 0 })
    }

    /// Ends podman and what it started. After that, the container's state no longer changes.
    pub(crate) fn abandon(self, progress: &mut dyn Progress) {
        let Dump { mut podman, hook, export, session, .. } = self;
        // Whoever still asks the hook for a verdict gets none, and undoes the dump.
        drop((hook, export));
        podman.end();
        wait_for_undone(&session, progress);
        prefreeze::thaw_if_unguarded(&session);
    }

    /// Waits for podman's end and gives its words.
    ///
    /// A podman that was killed leaves the runtime and CRIU at work; what becomes of the container is known only once
    /// they have ended as well.
    pub(crate) fn finish(self, progress: &mut dyn Progress) -> Result<Said, DumpError> {
        let Dump { podman, hook, export, session, .. } = self;
        let said = podman.finish()?;
        // Whoever still asks the hook for a verdict gets none, and undoes the dump.
        drop((hook, export));
        if !said.status.success() {
            wait_for_undone(&session, progress);
        }
        prefreeze::thaw_if_unguarded(&session);
        Ok(said)
    }
}

/// Waits for those who undo the dump, an interrupt or not.
fn wait_for_undone(session: &Session, progress: &mut dyn Progress) {
    // Whether they end or not: what the container does is asked next.
    let _ = work::wait_for_end_of(Work::Dump(session.path()), None, &mut Waiting::new(None, progress));
}

/// Without TCP connections that are taken along, no packet has to be kept away from the container.
fn packets(options: &CheckpointOptions, criu: &str) -> Packets {
    let can_pass = versions::numbers(criu).is_some_and(|version| version >= KNOWS_NO_LOCK);
    if can_pass && !options.tcp_established { Packets::Pass } else { Packets::CriuDecides }
}
