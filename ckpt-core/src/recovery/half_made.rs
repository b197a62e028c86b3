//! What a restore made before it failed or was killed, and nothing else, removed again.

use std::fs;
use std::path::PathBuf;

use layerfs::{Container, ContainersStorage, ContainersStorageError};

use super::journal::Journal;
use super::netns::NetnsError;
use super::{leases, mntns, netns, runtime};
use crate::engine::Engine;
use crate::podman::{ContainerFacts, PodmanError};

/// Why something half-made is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HalfMadeError {
    #[error(transparent)]
    Podman(#[from] PodmanError),
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    #[error("a network namespace that podman left")]
    Netns(#[from] NetnsError),
}

/// The container and volumes of a restore that did not come to its end.
#[derive(Debug)]
pub(crate) struct HalfMade<'j> {
    journal: &'j Journal,
    container: Option<Container>,
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
        let begun = &journal.begun;
        let container = storage.container(begun.id.as_ref().unwrap_or(&begun.name))?.filter(|container| {
            // The first that the storage makes of a container, before it notes that there is one.
            let layer = storage.graph_root().join("overlay").join(&container.layer);
            journal.is_maker_of(&layer, Some(&container.id))
        });
        let mut found = HalfMade { journal, container, volumes: Vec::new(), folders: Vec::new() };
        if begun.volumes.is_empty() {
            return Ok(found);
        }
        let folder_of_volumes = engine.store()?.volume_path;
        for name in &begun.volumes {
            let folder = folder_of_volumes.join(name);
            match (journal.is_maker_of(&folder, None), engine.has_volume(name)?) {
                (true, true) => found.volumes.push(name.clone()),
                (true, false) => found.folders.push(folder),
                (false, _) => {}
            }
        }
        Ok(found)
    }

    /// Removes it, unless podman has come so far that the container ran.
    pub(crate) fn remove_unless_it_has_run(self, engine: &dyn Engine) -> Result<(), HalfMadeError> {
        match &self.container {
            Some(container) if !is_half_made(engine, container)? => Ok(()),
            _ => self.remove(engine),
        }
    }

    /// Removes it; volumes that another container has use for stay, and folders with anything in them.
    pub(crate) fn remove(self, engine: &dyn Engine) -> Result<(), HalfMadeError> {
        let unused_networks = || netns::unused(engine, |made| self.journal.lived_at(made));
        if let Some(container) = self.container {
            if is_half_made(engine, &container)? {
                runtime::forget(engine, &container.id);
                if !unused_networks()?.is_empty() {
                    leases::give_back(engine, &container.id, &self.journal.begun.networks)?;
                    runtime::forget(engine, &container.id);
                }
            }
            engine.remove(&container.id)?;
        }
        mntns::remove_unused();
        if !self.volumes.is_empty() {
            // Mostly there is none.
            let _ = engine.remove(&self.journal.begun.helper());
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
        unused_networks()?.iter().try_for_each(|network| Ok(netns::remove(network)?))
    }
}

/// Whether podman has not seen the container run, as one that is in the storage alone, or has begun to remove it.
fn is_half_made(engine: &dyn Engine, container: &Container) -> Result<bool, PodmanError> {
    match engine.inspect(&container.id) {
        Ok(ContainerFacts { state, .. }) => Ok(state.is_half_made()),
        Err(PodmanError::UnknownContainer { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}
