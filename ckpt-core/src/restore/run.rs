//! A restore on its way from podman's start to the running container.

use std::fs::File;
use std::time::{Duration, Instant};

use aligntar::Transferred;
use layerfs::Container;

use super::door::Door;
use super::plan::RestorePlan;
use super::{PlaceAllError, RestoreOptions, RunError, place};
use crate::child::Said;
use crate::diagnosis;
use crate::interrupt::Interrupt;
use crate::podman;
use crate::progress::{Phase, Progress};

/// podman reads the configuration twice before it makes the container.
const FIRST_PARTS: u32 = 2;

/// A restore on its way.
pub(super) struct Run<'r> {
    plan: &'r RestorePlan,
    options: &'r RestoreOptions,
    progress: &'r mut dyn Progress,
    /// How often podman was given the first part.
    first_parts: u32,
    /// The new container, once podman has made it.
    pub(super) container: Option<Container>,
    pub(super) moved: Transferred,
    pub(super) place: Duration,
}

impl<'r> Run<'r> {
    pub(super) fn new(plan: &'r RestorePlan, options: &'r RestoreOptions, progress: &'r mut dyn Progress) -> Self {
        let (moved, place) = (Transferred::default(), Duration::ZERO);
        Run { plan, options, progress, first_parts: 0, container: None, moved, place }
    }

    /// Gives podman's statistics once the container runs.
    pub(super) fn run(&mut self) -> Result<serde_json::Value, RunError> {
        self.progress.phase(Phase::Create);
        let mut door = Door::open(self.plan, self.options)?;
        let served = self.serve(&door);
        if let Err(error) = &served {
            door.abandon(matches!(error, RunError::Place(_) | RunError::Store(_) | RunError::Taken { .. }));
        }
        let said = door.finish()?;
        // Where both failed, podman did because of us.
        served?;
        if !said.status.success() {
            return Err(self.podman_failed(&said));
        }
        if self.container.is_none() {
            return Err(RunError::NoContainer { container: self.plan.container.clone() });
        }
        if self.options.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            return Err(RunError::Interrupted);
        }
        // The container runs: statistics that cannot be read are no reason to throw it away.
        Ok(serde_json::from_slice(&said.stdout).unwrap_or_default())
    }

    /// Gives podman what it wants to read each time, until it ends.
    fn serve(&mut self, door: &Door<'_>) -> Result<(), RunError> {
        while let Some(reader) = door.next_reader(self.container.is_some())? {
            match self.prepare_part() {
                Ok(part) => reader.send(part)?,
                Err(error) => {
                    reader.refuse();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The part that podman waits for; with the second, all else is in place.
    fn prepare_part(&mut self) -> Result<&File, RunError> {
        let Some(container) = self.plan.storage.container(&self.plan.container)? else {
            self.first_parts += 1;
            return Ok(&self.plan.first_part);
        };
        if self.container.is_none() {
            if self.first_parts < FIRST_PARTS {
                return Err(RunError::Taken { container: self.plan.container.clone() });
            }
            self.container = Some(container.clone());
            self.place(&container)?;
            self.progress.phase(Phase::Resume);
        }
        Ok(&self.plan.second_part)
    }

    fn place(&mut self, container: &Container) -> Result<(), PlaceAllError> {
        self.progress.phase(Phase::Place);
        let started = Instant::now();
        self.moved = place::place(self.plan, self.options, container, self.progress)?;
        self.place = started.elapsed();
        Ok(())
    }

    fn podman_failed(&self, said: &Said) -> RunError {
        let bundle = self.container.as_ref().map(|container| self.plan.storage.userdata_dir(container));
        let words = podman::last_words(&said.stderr);
        RunError::Podman { message: diagnosis::of_restore(&words, bundle.as_deref()) }
    }

    /// Removes what this restore made. podman makes nothing before it has read the first part twice, and neither
    /// container nor volumes were there when the plan was made, which holds the name locked.
    pub(super) fn undo(&mut self, failure: &RunError) {
        let is_ours = !matches!(failure, RunError::Podman { message } if message.contains("already in use"));
        if self.first_parts < FIRST_PARTS || !is_ours {
            return;
        }
        let found = || self.plan.storage.container(&self.plan.container).ok().flatten();
        let container = self.container.take().or_else(found);
        if let Some(container) = container
            && let Err(error) = self.plan.podman.remove(&container.id)
        {
            self.progress.warning(&format!("the half-made container {} is left behind: {error}", container.id));
        }
        for name in &self.plan.volumes {
            if self.plan.podman.has_volume(name).is_ok_and(|there| there)
                && let Err(error) = self.plan.podman.remove_volume(name)
            {
                self.progress.warning(&format!("the volume {name} is left behind: {error}"));
            }
        }
    }
}
