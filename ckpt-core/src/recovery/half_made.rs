//! Removes what a restore made before it failed or was killed, and nothing else.

use std::fs;
use std::io;
use std::path::PathBuf;

use layerfs::{Container, ContainersStorage, ContainersStorageError};

use super::journal::Journal;
use super::netns::NetnsError;
use super::{leases, netns, runtime};
use crate::criu::mount_points;
use crate::engine::{ContainerFacts, Engine, EngineError};
use crate::host::processes::{Stat, all, named, until};
use crate::host::waiting::Waiting;

/// Why something half-made is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HalfMadeError {
    #[error(transparent)]
    Podman(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    #[error("a network namespace that podman left")]
    Netns(#[from] NetnsError),
    #[error(transparent)]
    Wait(#[from] io::Error),
}

/// How much of it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    All,
    /// Network namespaces that may be somebody else's are still there.
    ButNetworks,
}

/// The container and volumes of a restore that did not come to its end.
#[derive(Debug)]
pub(crate) struct HalfMade<'j> {
    journal: &'j Journal,
    /// With its bundle.
    container: Option<(Container, PathBuf)>,
    volumes: Vec<String>,
    /// Of volumes that podman was about to note.
    folders: Vec<PathBuf>,
}

impl<'j> HalfMade<'j> {
    /// What is there of what the restore of `journal` was to make.
    pub(crate) fn find(
        engine: &dyn Engine,
        storage: &ContainersStorage,
        journal: &'j Journal,
    ) -> Result<Self, HalfMadeError> {
        let container = match journal.container() {
            Some(id) => storage.container(id)?.filter(|container| {
                // The first that the storage makes of a container, before it notes that there is one.
                let layer = storage.graph_root().join("overlay").join(&container.layer);
                journal.is_maker_of(container, &layer)
            }),
            None => None,
        };
        let container = container.map(|container| {
            let bundle = storage.userdata_dir(&container);
            (container, bundle)
        });
        let mut found = HalfMade { journal, container, volumes: Vec::new(), folders: Vec::new() };
        found.find_volumes(engine)?;
        Ok(found)
    }

    fn find_volumes(&mut self, engine: &dyn Engine) -> Result<(), EngineError> {
        for name in &self.journal.begun.volumes {
            if engine.has_volume(name)? {
                let places = engine.volume_mountpoints(std::slice::from_ref(name))?;
                if places.iter().any(|(name, data)| self.journal.is_maker_of_volume(name, data)) {
                    self.volumes.push(name.clone());
                }
            } else if self.journal.was_making_volume(name) {
                self.folders.push(engine.store()?.volume_path.join(name));
            }
        }
        // Empty folders of a volume that somebody is making would be in the way as well.
        self.folders.retain(|folder| self.journal.lived_when_born(folder));
        Ok(())
    }

    /// Removes it, unless podman has come so far that the container ran.
    pub(crate) fn remove_unless_it_has_run(
        self,
        engine: &dyn Engine,
        waiting: &mut Waiting<'_>,
    ) -> Result<Removed, HalfMadeError> {
        match &self.container {
            Some((container, _)) if !is_half_made(engine, container)? => Ok(Removed::All),
            _ => self.remove(engine, waiting),
        }
    }

    /// Removes it; volumes that another container has use for stay, and folders with anything in them.
    pub(crate) fn remove(self, engine: &dyn Engine, waiting: &mut Waiting<'_>) -> Result<Removed, HalfMadeError> {
        let unused_networks = || netns::unused(engine, |made| self.journal.lived_at(made));
        if let Some((container, bundle)) = self.container {
            if is_half_made(engine, &container)? {
                runtime::forget(engine, &container.id, &bundle, waiting)?;
                if !unused_networks()?.is_empty() {
                    leases::give_back(engine, &container.id, &self.journal.begun.networks)?;
                    runtime::forget(engine, &container.id, &bundle, waiting)?;
                }
            }
            engine.remove(&container.id, self.journal.begun.anonymous_volumes)?;
        }
        mount_points::remove_unused();
        if !self.volumes.is_empty() {
            // Mostly there is none.
            let _ = engine.remove(&self.journal.begun.helper(), false);
        }
        for name in self.volumes {
            engine.remove_volume(&name)?;
        }
        for folder in self.folders {
            // podman has made one in the other before it notes the volume, or just the one.
            let _ = fs::remove_dir(folder.join("_data"));
            let _ = fs::remove_dir(folder);
        }
        // Last: podman removes those it has noted.
        if unused_networks()?.is_empty() {
            return Ok(Removed::All);
        }
        // One may be a podman's that has just made it and is about to have a container in it.
        if !is_podman_at_rest(waiting)? {
            return Ok(Removed::ButNetworks);
        }
        unused_networks()?.iter().try_for_each(|network| netns::remove(network))?;
        Ok(Removed::All)
    }
}

/// Whether podman has not seen the container run, as one that is in the storage alone, or has begun to remove it.
fn is_half_made(engine: &dyn Engine, container: &Container) -> Result<bool, EngineError> {
    match engine.inspect(&container.id) {
        Ok(ContainerFacts { state, .. }) => Ok(state.is_half_made()),
        Err(EngineError::UnknownContainer { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Waits for a moment in which no podman is at work, which could be about to use what nobody uses; gives whether it
/// came.
fn is_podman_at_rest(waiting: &mut Waiting<'_>) -> io::Result<bool> {
    let podman = || all().find(|&pid| Stat::of(pid).is_some_and(|stat| stat.name == "podman" && !stat.is_dead));
    until(waiting, || format!("{} may be about to use a network namespace", named(podman())), || podman().is_none())
}
