//! The container as it is now.

use std::path::Path;

use super::error::RollbackError;
use crate::checkpoint::Remains;
use crate::engine::{ContainerFacts, Engine, EngineError, TakenAlong};
use crate::progress::Progress;
use crate::restore::Contents;
use crate::save::{Place, SaveOptions, SaveReport, save_at_rest, save_locked, save_remains};

/// What is there of the container.
#[derive(Debug)]
pub(super) enum Present {
    /// Nothing.
    Gone,
    Running(Box<ContainerFacts>),
    /// It has files, and no processes.
    Stopped(Box<ContainerFacts>),
}

impl Present {
    pub(super) fn of(engine: &dyn Engine, name: &str) -> Result<Self, RollbackError> {
        let facts = match engine.inspect(name) {
            Err(EngineError::UnknownContainer { .. }) => return Ok(Present::Gone),
            facts => Box::new(facts?),
        };
        match &facts.state {
            state if state.status == "running" => Ok(Present::Running(facts)),
            state if state.is_at_rest() => Ok(Present::Stopped(facts)),
            _ => Err(RollbackError::Unfit { name: facts.name, status: facts.state.status }),
        }
    }

    /// The same running, if it was checkpointed when it stopped: its memory would not be in a save of its files.
    pub(super) fn with_its_memory(self, engine: &dyn Engine) -> Result<Self, RollbackError> {
        match self {
            Present::Stopped(facts) if facts.state.checkpointed => {
                let along = TakenAlong { tcp_established: true, file_locks: true };
                let restored = engine.restore_in_place(&facts.id, along);
                restored.map_err(|source| RollbackError::Memory { name: facts.name.clone(), source })?;
                Present::of(engine, &facts.id)
            }
            present => Ok(present),
        }
    }

    fn facts(&self) -> Option<&ContainerFacts> {
        match self {
            Present::Gone => None,
            Present::Running(facts) | Present::Stopped(facts) => Some(facts),
        }
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.facts().map(|facts| &facts.id[..])
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.facts().map(|facts| &facts.name[..])
    }

    /// ID of its pod.
    pub(super) fn pod(&self) -> Option<&str> {
        self.facts().map(|facts| &facts.pod[..]).filter(|pod| !pod.is_empty())
    }

    /// Whether the ID of the container in the archive is free, or this one's.
    pub(super) fn check_id(&self, contents: &Contents<'_>) -> Result<(), RollbackError> {
        let id = &contents.config.id;
        match contents.storage.container(id)?.filter(|_| self.id() != Some(id)) {
            Some(other) => Err(RollbackError::Renamed { other: other.names.join(", "), id: id.clone() }),
            None => Ok(()),
        }
    }

    /// Whether there is a container that does not run.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self, Present::Stopped(_))
    }

    /// Saves it, and stops it with that. Of one that is gone, `volumes` may be left; `to` is an archive of it.
    pub(super) fn save(
        &self,
        engine: &dyn Engine,
        volumes: &[String],
        to: &Path,
        place: &Place<'_>,
        options: &SaveOptions,
        progress: &mut dyn Progress,
    ) -> Result<Option<SaveReport>, RollbackError> {
        let saved = match self {
            Present::Running(_) => save_locked(place, false, options, progress),
            Present::Stopped(facts) => save_at_rest(place, engine, facts, options, progress),
            Present::Gone if volumes.is_empty() => return Ok(None),
            Present::Gone => save_remains(place, engine, Remains::Volumes(volumes), to, options, progress),
        };
        saved.map(Some).map_err(|error| RollbackError::Save(Box::new(error)))
    }

    /// Passes one that is still what was saved: anybody may start a container meanwhile.
    fn check_unchanged(&self, engine: &dyn Engine) -> Result<(), RollbackError> {
        match self {
            Present::Stopped(facts) if !engine.inspect(&facts.id)?.state.is_at_rest() => {
                Err(RollbackError::Started { name: facts.name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Removes it. One that cannot be removed runs again, if it ran.
    pub(super) fn remove(&self, engine: &dyn Engine) -> Result<(), RollbackError> {
        let Some(facts) = self.facts() else { return Ok(()) };
        self.check_unchanged(engine)?;
        match engine.remove(&facts.id, true) {
            Ok(()) => Ok(()),
            Err(source) => match engine.inspect(&facts.id) {
                // As of `podman run --rm`, which podman removes when it stops.
                Err(EngineError::UnknownContainer { .. }) => Ok(()),
                _ => Err(RollbackError::Remove { runs: self.runs_again(engine, &facts.id), source }),
            },
        }
    }

    fn runs_again(&self, engine: &dyn Engine, id: &str) -> bool {
        let along = TakenAlong { tcp_established: true, file_locks: true };
        let runs = || engine.inspect(id).is_ok_and(|facts| facts.state.status == "running");
        matches!(self, Present::Running(_)) && (runs() || engine.restore_in_place(id, along).is_ok())
    }
}
