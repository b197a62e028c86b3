//! A restore on its way from podman's start to the running container.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use aligntar::Transferred;
use layerfs::Container;

use super::files::Placed;
use super::later_memory::LaterMemory;
use super::plan::RestorePlan;
use super::podman_import::{Event, PodmanImport};
use super::prepared::Prepared;
use super::repairs::Repairs;
use super::volumes::Volumes;
use super::{FilesError, RestoreOptions, RunError, announcement, files, mount_points};
use crate::criu::arrival;
use crate::criu::hook::{HookCall, Moment};
use crate::criu::page_server::PageServerError;
use crate::engine::diagnosis;
use crate::engine::words::why_it_failed;
use crate::host::child::Said;
use crate::host::interrupt::Interrupt;
use crate::host::read_only;
use crate::host::session::Session;
use crate::host::waiting::Waiting;
use crate::progress::{Phase, Progress};
use crate::recovery::half_made::{HalfMade, HalfMadeError, Removed};
use crate::recovery::{Journal, stray_container};

/// podman reads the configuration twice before it makes the container.
const FIRST_PARTS: u32 = 2;

/// What is said where CRIU has not called back at each of these.
const MOMENTS: [Moment; 2] = [Moment::PreRestore, Moment::PreResume];

/// A restore on its way.
pub(super) struct Run<'r> {
    plan: &'r RestorePlan<'r>,
    options: &'r RestoreOptions,
    progress: &'r mut dyn Progress,
    /// How often podman was given the first part.
    first_parts: u32,
    /// The new container, once podman has made it.
    pub(super) container: Option<Container>,
    /// What the next run has to put right, should this one be killed.
    journal: Option<Journal>,
    repairs: Repairs,
    later_memory: LaterMemory,
    /// Those at which all was put right.
    moments: Vec<Moment>,
    /// Whether all files are.
    is_placed: bool,
    pub(super) moved: Transferred,
    pub(super) place: Duration,
}

impl<'r> Run<'r> {
    pub(super) fn new(plan: &'r RestorePlan<'r>, options: &'r RestoreOptions, progress: &'r mut dyn Progress) -> Self {
        Run {
            plan,
            options,
            progress,
            first_parts: 0,
            container: None,
            journal: None,
            repairs: Repairs::default(),
            later_memory: LaterMemory::default(),
            moments: Vec::new(),
            is_placed: false,
            moved: Transferred::default(),
            place: Duration::ZERO,
        }
    }

    /// Gives podman's statistics once the container runs.
    pub(super) fn run(&mut self) -> Result<serde_json::Value, RunError> {
        self.progress.phase(Phase::Create);
        let waiting = &mut Waiting::new(self.options.interrupt.as_ref(), self.progress);
        let session = Session::begin(waiting)?;
        let graph_root = self.plan.prepared.storage.graph_root();
        let mut journal = Journal::begin(graph_root, self.plan.begun(session.path()), waiting)?;
        let said = self.work(session, &mut journal);
        self.journal = Some(journal);
        let said = said?;
        if self.container.is_none() {
            return Err(RunError::NoContainer { container: self.plan.id.clone() });
        }
        self.go_on()?;
        if !self.plan.prepared.archive.has_memory() {
            self.progress.warning(&format!(
                "the archive has no memory: the container is made with its files, and `podman start {}` starts it",
                self.plan.name()
            ));
            return Ok(serde_json::Value::Null);
        }
        if MOMENTS.iter().any(|moment| !self.moments.contains(moment)) {
            self.progress.warning(
                "CRIU has not called back (does the runtime use another criu than the one in PATH?): what podman touches \
                 when it mounts, as owner and mode of /, /etc/mtab and times of directories, may not be as it was",
            );
        }
        // The container runs: statistics that cannot be read are no reason to throw it away.
        Ok(serde_json::from_slice(&said.stdout).unwrap_or_default())
    }

    /// Runs podman to its end, and the volumes' podmans; gives what it said of success.
    fn work(&mut self, session: Session, journal: &mut Journal) -> Result<Said, RunError> {
        if !self.plan.volumes.is_empty() {
            journal.reach_disk()?;
        }
        let mut podman = PodmanImport::open(self.plan, self.options, session)?;
        let mut volumes = Volumes::begin(&*self.plan.prepared.engine, &self.plan.volumes, journal);
        let served = self.serve(&mut podman, &mut volumes, journal);
        if let Err(error) = &served {
            podman.abandon(!matches!(error, RunError::Interrupted));
        }
        let unmade = self.finish(&mut volumes, journal);
        let said = podman.finish()?;
        // Where both failed, podman did because of us.
        served?;
        unmade?;
        match said.status.success() || self.is_made_without_memory()? {
            true => Ok(said),
            false => Err(self.podman_failed(&said)),
        }
    }

    /// Whether podman has made the container, all is in place, and there is nothing to be restored: it looks for CRIU's
    /// images only then (libpod, `(*Container).restore`), and leaves the container as one that was never started.
    fn is_made_without_memory(&self) -> Result<bool, RunError> {
        let Prepared { archive, engine, .. } = self.plan.prepared;
        match &self.container {
            Some(container) if self.is_placed && !archive.has_memory() => {
                Ok(engine.inspect(&container.id).map_err(FilesError::from)?.state.is_half_made())
            }
            _ => Ok(false),
        }
    }

    fn go_on(&self) -> Result<(), RunError> {
        match self.options.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            true => Err(RunError::Interrupted),
            false => Ok(()),
        }
    }

    fn finish(&self, volumes: &mut Volumes<'_>, journal: &mut Journal) -> Result<(), RunError> {
        let interrupt = self.options.interrupt.as_ref();
        match volumes.finish(journal, interrupt) {
            Err(_) if interrupt.is_some_and(Interrupt::is_raised) => Err(RunError::Interrupted),
            made => Ok(made?),
        }
    }

    /// Gives podman what it wants to read each time, and CRIU its verdicts, until podman ends.
    fn serve(
        &mut self,
        podman: &mut PodmanImport<'_>,
        volumes: &mut Volumes<'_>,
        journal: &mut Journal,
    ) -> Result<(), RunError> {
        loop {
            match podman.next_event(self.container.as_ref(), journal)? {
                Event::Reads(reader) => match self.prepare_part(volumes, journal) {
                    Ok(part) => podman.send(reader, part)?,
                    Err(error) => {
                        reader.refuse();
                        return Err(error);
                    }
                },
                Event::Moment(call) => self.put_right(call)?,
                Event::Nothing => self.check_memory()?,
                Event::Ended => return Ok(()),
            }
        }
    }

    /// A script that is gone needs no verdict: CRIU has failed by that, and podman will say so.
    fn put_right(&mut self, call: HookCall) -> Result<(), RunError> {
        self.moments.push(call.moment());
        let put_right = match call.moment() {
            Moment::PreRestore => self.before_tasks(),
            Moment::PreResume => self.announce(&call).and_then(|()| {
                self.progress.phase(Phase::Start);
                self.protect_root(&call);
                // For a time, the container is not thrown away, and cannot be.
                if let Err(error) = self.repairs.after_tasks() {
                    self.progress.warning(&format!("some directories may have the time of the restore: {error}"));
                }
                self.check_memory()
            }),
            Moment::PostRestore => self.wait_until_held(),
            Moment::PostDump => Ok(()),
        };
        drop(if put_right.is_ok() { call.carry_on() } else { call.abort() });
        put_right
    }

    /// What a program may not do any more is no reason to throw it away if it can be done.
    fn protect_root(&mut self, call: &HookCall) {
        if !self.plan.prepared.has_read_only_root {
            return;
        }
        let Some(init) = call.init() else { return };
        if let Err(error) = read_only::make_root(init) {
            self.progress.warning(&format!("the container can write to its root, which was read-only: {error}"));
        }
    }

    /// Through the first process, as other file systems may be mounted below the container's root.
    fn announce(&self, call: &HookCall) -> Result<(), RunError> {
        let Some(announcement) = &self.plan.announcement else { return Ok(()) };
        let init = call.init().ok_or(io::ErrorKind::NotFound);
        init.map_err(io::Error::from)
            .and_then(|init| announcement::write(init, announcement))
            .map_err(RunError::Announce)
    }

    fn before_tasks(&mut self) -> Result<(), RunError> {
        if let Some(Container { id, .. }) = &self.container {
            let bundle = self.plan.prepared.storage.run_root().join("overlay-containers").join(id).join("userdata");
            let folder = bundle.join("run/secrets");
            let failed = |source| RunError::MountPoints { folder: folder.clone(), source };
            mount_points::make(&folder, &self.plan.prepared.secret_files).map_err(failed)?;
        }
        let archive = &self.plan.prepared.archive;
        self.moved += self.later_memory.place_pages(archive, self.options.clone_policy)?;
        Ok(self.repairs.before_tasks(archive)?)
    }

    /// The part that podman waits for; with the second, all else is in place.
    fn prepare_part(&mut self, volumes: &mut Volumes<'_>, journal: &mut Journal) -> Result<&File, RunError> {
        let Some(container) = self.plan.prepared.storage.container(&self.plan.id)? else {
            self.first_parts += 1;
            if self.first_parts == FIRST_PARTS {
                // It makes the container next.
                journal.reach_disk()?;
                // It would make those that are not there itself, and nothing would tell whose they are.
                self.finish(volumes, journal)?;
            }
            return Ok(&self.plan.first_part);
        };
        if self.container.is_none() {
            if self.first_parts < FIRST_PARTS {
                return Err(RunError::Taken { container: self.plan.id.clone() });
            }
            journal.made(&container)?;
            self.container = Some(container.clone());
            self.place(&container, journal)?;
            // Not to be interrupted from now on.
            self.go_on()?;
            if let Some(version) = &self.plan.prepared.lazy_from {
                let bundle = self.plan.prepared.storage.userdata_dir(&container);
                let waiting = &mut Waiting::new(self.options.interrupt.as_ref(), self.progress);
                let archive = &self.plan.prepared.archive;
                self.later_memory.begin(archive, version, (&container.id, &bundle), waiting)?;
            }
            self.progress.phase(Phase::Resume);
        }
        Ok(&self.plan.prepared.second_part)
    }

    fn place(&mut self, container: &Container, journal: &mut Journal) -> Result<(), RunError> {
        self.progress.phase(Phase::Place);
        let started = Instant::now();
        let volumes =
            self.plan.prepared.engine.volume_mountpoints(&self.plan.filled_volumes()).map_err(FilesError::from)?;
        for (name, data) in &volumes {
            journal.will_fill(name, data)?;
        }
        let Placed { moved, repairs, late_pages } =
            files::place(self.plan, self.options, container, (&journal.begun, &volumes), self.progress)?;
        (self.moved, self.repairs, self.later_memory) = (moved, repairs, LaterMemory::of(late_pages));
        (self.place, self.is_placed) = (started.elapsed(), true);
        Ok(())
    }

    /// Before any task runs, and while CRIU still heeds a verdict.
    fn wait_until_held(&mut self) -> Result<(), RunError> {
        let held = self.later_memory.wait_until_held();
        if !self.unless_lost(held)? {
            self.progress.warning("CRIU brought the memory before the container ran, though it could have come later");
        }
        Ok(())
    }

    /// A CRIU whose tasks were killed for want of their memory may wait for them for ever.
    fn check_memory(&mut self) -> Result<(), RunError> {
        let comes = self.later_memory.check();
        self.unless_lost(comes).map(drop)
    }

    /// Kills what CRIU restored, and CRIU, if the memory is lost. The server does that, unless it was killed itself.
    fn unless_lost(&mut self, held: Result<bool, PageServerError>) -> Result<bool, RunError> {
        if held.is_err()
            && let Some(container) = &self.container
        {
            let bundle = self.plan.prepared.storage.userdata_dir(container);
            // Without an interrupt, nothing ends it before its end.
            let _ = stray_container::kill(&container.id, &bundle, &mut Waiting::new(None, self.progress));
        }
        Ok(held?)
    }

    fn podman_failed(&self, said: &Said) -> RunError {
        let bundle = self.container.as_ref().map(|container| self.plan.prepared.storage.userdata_dir(container));
        let words = why_it_failed(said);
        RunError::Podman(diagnosis::of_restore(&words, bundle.as_deref(), self.options.interrupt.as_ref()))
    }

    /// Removes what this restore made.
    pub(super) fn undo(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        self.later_memory.let_go();
        let removed = self.remove(&journal);
        if let (Ok(_), Some(container)) = (&removed, &self.container) {
            arrival::forget(|id| id == container.id);
        }
        match removed {
            Ok(Removed::All) => journal.end(),
            Ok(Removed::ButNetworks) => {}
            Err(error) => self.progress.warning(&format!(
                "what the restore had made cannot be removed, and will be by the next run of ckpt: {error}"
            )),
        }
    }

    fn remove(&mut self, journal: &Journal) -> Result<Removed, HalfMadeError> {
        let Prepared { undoing_engine: engine, storage, .. } = self.plan.prepared;
        let waiting = &mut Waiting::new(None, self.progress);
        let left = HalfMade::find(&**engine, storage, journal)?;
        match self.container {
            Some(_) => left.remove(&**engine, waiting),
            // As far as podman told, it could be a rival's.
            None => left.remove_unless_it_has_run(&**engine, waiting),
        }
    }

    /// Nothing is left to be put right by another run.
    pub(super) fn done(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.end();
        }
    }
}
