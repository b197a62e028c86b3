//! `save`: a checkpoint of a running container into its history. It runs on, and then the new archive gets the blocks of
//! the one before it where they are equal.

mod sharing;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aligntar::ClonePolicy;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::archive::manifest::ManifestSave;
use crate::checkpoint::{CheckpointError, CheckpointOptions, CheckpointReport, Export, checkpoint, podman_at_rest};
use crate::containers;
use crate::dedup::Shared;
use crate::engine::EngineError;
use crate::host::interrupt::Interrupt;
use crate::host::waiting::Waiting;
use crate::progress::Progress;
use crate::store::{ContainerLock, Store, StoreError, Tag};
pub(crate) use sharing::share_with_previous;

/// What to save, and how it is found again.
#[derive(Clone, Debug, Default)]
pub struct SaveOptions {
    /// Name or ID of a running container.
    pub container: String,
    /// The store's folder, where it is not the usual one.
    pub store: Option<PathBuf>,
    /// What it is found by.
    pub tags: Vec<Tag>,
    /// Anything.
    pub note: String,
    /// Take established TCP connections along.
    pub tcp_established: bool,
    /// Take file locks along.
    pub file_locks: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work.
    pub interrupt: Option<Interrupt>,
}

/// What a save did.
#[derive(Clone, Debug)]
pub struct SaveReport {
    /// The container's name.
    pub container: String,
    /// The save's ID.
    pub id: String,
    /// The archive.
    pub path: PathBuf,
    /// Of the checkpoint.
    pub checkpoint: CheckpointReport,
    /// What it has in common with the save before it, if there is one and they can share blocks.
    pub shared: Option<Shared>,
}

/// Why there is no save.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// podman has no answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The checkpoint failed; it says whether the container runs.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A note of any length would make archives of any length.
    #[error("the note has {bytes} bytes, and {NOTE_BYTES} is the most")]
    LongNote {
        /// Its length.
        bytes: usize,
    },
    /// There is no random number for an ID.
    #[error("read /dev/urandom")]
    Random(#[source] io::Error),
}

impl SaveError {
    /// What other programs said, line by line.
    pub fn details(&self) -> &[String] {
        match self {
            SaveError::Checkpoint(error) => error.details(),
            _ => &[],
        }
    }
}

/// The longest note.
const NOTE_BYTES: usize = 4096;

/// Saves a running container, which runs on.
///
/// # Errors
/// [`SaveError`].
///
/// # Atomicity
/// The archive has its name when it is whole and on the disk, or not at all. Older ones are not touched. An interrupt after
/// that ends the sharing of blocks, and the save is there.
pub fn save(options: &SaveOptions, progress: &mut dyn Progress) -> Result<SaveReport, SaveError> {
    let name = name_of(options, progress)?;
    let store = Store::find(options.store.as_deref())?;
    let folder = store.make_folder_of(&name)?;
    let waiting = &mut Waiting::new(options.interrupt.as_ref(), progress);
    let lock = ContainerLock::take(&folder, waiting)?;
    let place = Place { store: &store, folder: &folder, name: &name, _lock: lock };
    let saved = save_locked(&place, true, options, progress)?;
    let shared = share_with_previous(&store, &name, &saved.id, options.interrupt.as_ref(), progress);
    Ok(SaveReport { shared, ..saved })
}

/// The container's name. One that is missing may be so since a killed rollback: that is told first.
fn name_of(options: &SaveOptions, progress: &mut dyn Progress) -> Result<String, SaveError> {
    let named = || containers::named(&options.container, options.interrupt.as_ref()).map(|container| container.name);
    match named() {
        Err(EngineError::UnknownContainer { .. }) => {
            let (force, interrupt) = (options.force, options.interrupt.clone());
            podman_at_rest(&CheckpointOptions { force, interrupt, ..CheckpointOptions::default() }, progress)?;
            Ok(named()?)
        }
        name => Ok(name?),
    }
}

/// Where a save goes.
pub(crate) struct Place<'p> {
    pub(crate) store: &'p Store,
    /// The container's in the store.
    pub(crate) folder: &'p Path,
    /// The container's.
    pub(crate) name: &'p str,
    /// Nobody else makes one now.
    pub(crate) _lock: ContainerLock,
}

/// Saves a running container that nobody else saves now; it runs on only if it is `left_running`. Nothing is shared yet.
pub(crate) fn save_locked(
    place: &Place<'_>,
    left_running: bool,
    options: &SaveOptions,
    progress: &mut dyn Progress,
) -> Result<SaveReport, SaveError> {
    let Place { store, folder, name, _lock } = place;
    let bytes = options.note.len();
    if bytes > NOTE_BYTES {
        return Err(SaveError::LongNote { bytes });
    }
    let sequence = store.history(name)?.next_sequence();
    let id = random_id().map_err(SaveError::Random)?;
    let path = folder.join(file_name(sequence, Timestamp::now(), &id));
    let tags = options.tags.iter().map(Tag::to_string).collect();
    let note = ManifestSave { id: id.clone(), sequence, tags, note: options.note.clone() };
    let checkpoint = checkpoint(&checkpoint_options(options, name, &path, left_running, note), progress)?;
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

/// For people who list the folder: they stand in their order there.
fn file_name(sequence: u64, now: Timestamp, id: &str) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("{sequence:06}-{time}-{}.tar", &id[..8])
}

/// 16 hexadecimal digits.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_order() {
        let now: Timestamp = "2026-11-29T09:31:55.7Z".parse().unwrap();
        assert_eq!(file_name(7, now, "0123456789abcdef"), "000007-20261129T093155Z-01234567.tar");
    }
}
