//! A save of a container that does not run, or of which nothing is left but its volumes: files, and no memory.

use std::path::{Path, PathBuf};

use super::error::SaveError;
use super::options::{SaveOptions, SaveReport};
use super::place::{Place, next};
use crate::archive::CheckpointArchive;
use crate::checkpoint::{Remains, checkpoint_at_rest};
use crate::engine::{ContainerFacts, Engine};
use crate::progress::Progress;
use crate::store::{History, Reading};

/// Saves the container of `facts`, which does not run.
pub(crate) fn save_at_rest(
    place: &Place<'_>,
    engine: &dyn Engine,
    facts: &ContainerFacts,
    options: &SaveOptions,
    progress: &mut dyn Progress,
) -> Result<SaveReport, SaveError> {
    let history = place.store.history(place.name)?;
    let Some(described_by) = newest_of(&history, &facts.id) else {
        let (name, status) = (facts.name.clone(), facts.state.status.clone());
        return Err(SaveError::NotDescribed { name, status });
    };
    save_remains(place, engine, Remains::Container(facts), &described_by, options, progress)
}

/// Saves what `remains` of the container that the archive at `described_by` is of.
pub(crate) fn save_remains(
    place: &Place<'_>,
    engine: &dyn Engine,
    remains: Remains<'_>,
    described_by: &Path,
    options: &SaveOptions,
    progress: &mut dyn Progress,
) -> Result<SaveReport, SaveError> {
    let reading = Reading::begin(described_by)?;
    let archive = CheckpointArchive::read(reading.into_file(), described_by, Path::new("/"), None)?;
    let (path, save) = next(place, options)?;
    let id = save.id.clone();
    let new = (path.as_path(), save);
    let checkpoint = checkpoint_at_rest(engine, remains, &archive, new, options.clone_policy, progress)?;
    let _ = place.store.history(place.name);
    Ok(SaveReport { container: place.name.to_owned(), id, path, checkpoint, shared: None })
}

/// The newest archive of the container `id`.
fn newest_of(history: &History, id: &str) -> Option<PathBuf> {
    let saved = history.saves().iter().rev().find(|saved| saved.container_id == id)?;
    Some(history.path_of(saved))
}
