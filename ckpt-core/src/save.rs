//! `save`: a checkpoint of a running container into its history. It runs on, and then the new archive gets the blocks of
//! the one before it where they are equal. Of a container that does not run, the files are saved.

mod at_rest;
mod error;
mod options;
mod place;
mod sharing;

use std::path::Path;

use crate::archive::manifest::ManifestSave;
use crate::checkpoint::{CheckpointOptions, Export, checkpoint, podman_at_rest};
use crate::engine::{ContainerFacts, Engine, EngineError, Podman};
use crate::host::waiting::Waiting;
use crate::progress::Progress;
use crate::store::{ContainerLock, Store};
pub(crate) use at_rest::{save_at_rest, save_remains};
pub use error::SaveError;
pub use options::{SaveOptions, SaveReport};
pub(crate) use place::Place;
use place::next;
pub(crate) use sharing::share_with_previous;

/// Saves a container. One that runs, runs on; of one that does not, the files are saved.
///
/// # Errors
/// [`SaveError`].
///
/// # Atomicity
/// The archive has its name when it is whole and on the disk, or not at all. Older ones are not touched. An interrupt after
/// that ends the sharing of blocks, and the save is there.
pub fn save(options: &SaveOptions, progress: &mut dyn Progress) -> Result<SaveReport, SaveError> {
    let podman = Podman::anyones()?.until(options.interrupt.as_ref());
    let facts = facts(&podman, options, progress)?;
    let name = facts.name.clone();
    let store = Store::find(options.store.as_deref())?;
    let folder = store.make_folder_of(&name)?;
    let waiting = &mut Waiting::new(options.interrupt.as_ref(), progress);
    let lock = ContainerLock::take(&folder, waiting)?;
    let place = Place { store: &store, folder: &folder, name: &name, _lock: lock };
    let saved = match facts.state.is_at_rest() {
        true => save_at_rest(&place, &podman, &facts, options, progress)?,
        false => save_locked(&place, true, options, progress)?,
    };
    let shared = share_with_previous(&store, &name, &saved.id, options.interrupt.as_ref(), progress);
    Ok(SaveReport { shared, ..saved })
}

/// What podman says of the container. One that is missing, or does not run, may be so since a killed run: that is put
/// right, or told, first.
fn facts(
    podman: &Podman,
    options: &SaveOptions,
    progress: &mut dyn Progress,
) -> Result<Box<ContainerFacts>, SaveError> {
    match podman.inspect(&options.container) {
        Ok(facts) if !facts.state.is_at_rest() => Ok(Box::new(facts)),
        Ok(_) | Err(EngineError::UnknownContainer { .. }) => {
            let (force, interrupt) = (options.force, options.interrupt.clone());
            podman_at_rest(&CheckpointOptions { force, interrupt, ..CheckpointOptions::default() }, progress)?;
            Ok(Box::new(podman.inspect(&options.container)?))
        }
        Err(error) => Err(error.into()),
    }
}

/// Saves a running container that nobody else saves now; it runs on only if it is `left_running`. Nothing is shared yet.
pub(crate) fn save_locked(
    place: &Place<'_>,
    left_running: bool,
    options: &SaveOptions,
    progress: &mut dyn Progress,
) -> Result<SaveReport, SaveError> {
    let Place { store, name, .. } = place;
    let (path, save) = next(place, options)?;
    let id = save.id.clone();
    let checkpoint = checkpoint(&checkpoint_options(options, name, &path, left_running, save), progress)?;
    // Its index knows the new one then, and the next look at it is quick.
    let _ = store.history(name);
    Ok(SaveReport { container: (*name).to_owned(), id, path, checkpoint, shared: None })
}

fn checkpoint_options(
    options: &SaveOptions,
    name: &str,
    path: &Path,
    leave_running: bool,
    save: ManifestSave,
) -> CheckpointOptions {
    CheckpointOptions {
        container: name.to_owned(),
        export: Export::File(path.to_owned()),
        leave_running,
        tcp_established: options.tcp_established,
        file_locks: options.file_locks,
        force: options.force,
        clone_policy: options.clone_policy,
        save: Some(save),
        interrupt: options.interrupt.clone(),
        ..CheckpointOptions::default()
    }
}
