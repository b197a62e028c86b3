//! Why a container is not what it was, and what it is.

use std::io;

use layerfs::ContainersStorageError;

use crate::engine::EngineError;
use crate::recovery::replacement::NoteError;
use crate::restore::RestoreError;
use crate::save::SaveError;
use crate::store::StoreError;

/// Why a rollback failed.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The save is not found.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// podman has no answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// podman's storage cannot be understood.
    #[error(transparent)]
    Storage(#[from] ContainersStorageError),
    /// The newest save is one of a container that is gone.
    #[error(
        "the newest save is of another container, which was called {name:?} before: `ckpt rollback {name} {save}` puts that \
         in the place of this one"
    )]
    AnothersSave {
        /// The name.
        name: String,
        /// The save's ID.
        save: String,
    },
    /// The archive would bring back a container with another name.
    #[error(
        "the save is of a container that is called {other:?}, not {name:?}: `ckpt restore -i` brings it back beside"
    )]
    AnothersName {
        /// The name in the store.
        name: String,
        /// The name in the archive.
        other: String,
    },
    /// Another container has the ID.
    #[error("{other:?} has the ID that the container had ({id}): it was renamed. Roll that back, or rename it back")]
    Renamed {
        /// Its name now.
        other: String,
        /// The ID.
        id: String,
    },
    /// Its memory cannot be saved.
    #[error(
        "{name:?} was checkpointed when it stopped, and cannot be restored in place to be saved with its memory: --discard \
         gives that up"
    )]
    Memory {
        /// The container's name.
        name: String,
        /// podman's words.
        #[source]
        source: EngineError,
    },
    /// It can be neither saved nor removed as it is.
    #[error("{name:?} is {status}: `podman unpause` it, or wait until it is at rest")]
    Unfit {
        /// The container's name.
        name: String,
        /// podman's word.
        status: String,
    },
    /// It was saved as it had stopped.
    #[error("{name:?} was started meanwhile, so its present state is not saved: roll it back again")]
    Started {
        /// The container's name.
        name: String,
    },
    /// Others would lose it.
    #[error(
        "the volume {name} is used by the container {user} as well, and would go back for that one too: --ignore-volumes \
         leaves volumes as they are"
    )]
    UsedVolume {
        /// The volume's name.
        name: String,
        /// The ID of who uses it.
        user: String,
    },
    /// An archive does not have what it is.
    #[error(
        "the volume {name} has a driver or options of its own, which a save does not keep: --ignore-volumes leaves volumes \
         as they are"
    )]
    SpecialVolume {
        /// The volume's name.
        name: String,
    },
    /// The archive cannot be held on to.
    #[error("open the archive once more")]
    Reopen(#[source] io::Error),
    /// What could be lost cannot be noted. Nothing was touched.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The present state could not be saved.
    #[error("the present state cannot be saved (--discard gives it up)")]
    Save(#[source] Box<SaveError>),
    /// The present container could not be removed. It was stopped, and is restored in place.
    #[error("the container cannot be removed, {}", if *.runs { "and runs on" } else { "and is stopped" })]
    Remove {
        /// Whether it runs.
        runs: bool,
        /// Why.
        #[source]
        source: EngineError,
    },
    /// The archive cannot be restored. Nothing was touched.
    #[error(transparent)]
    Restore(Box<RestoreError>),
    /// It could not be restored once the present one was gone.
    #[error("the rollback failed, {outcome}")]
    Failed {
        /// What became of the container.
        outcome: String,
        /// Why it failed.
        #[source]
        source: Box<RestoreError>,
    },
}

impl RollbackError {
    /// What other programs said, line by line.
    pub fn details(&self) -> &[String] {
        match self {
            RollbackError::Save(error) => error.details(),
            RollbackError::Restore(error) => error.details(),
            RollbackError::Failed { source, .. } => source.details(),
            _ => &[],
        }
    }
}

impl From<RestoreError> for RollbackError {
    fn from(error: RestoreError) -> Self {
        RollbackError::Restore(Box::new(error))
    }
}
