//! Why there is no save.

use std::io;

use super::options::NOTE_BYTES;
use crate::archive::ArchiveError;
use crate::checkpoint::{AtRestError, CheckpointError};
use crate::engine::EngineError;
use crate::store::StoreError;

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
    /// The container does not run, and its files could not be taken.
    #[error("save the files of a container that does not run")]
    AtRest(#[from] AtRestError),
    /// The archive that describes it cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// podman describes a container only when it runs.
    #[error(
        "{name:?} is {status}, and was never saved while it ran: only then podman says all that a restore has to know of \
         it. `podman start {name}` first"
    )]
    NotDescribed {
        /// The container's name.
        name: String,
        /// podman's word.
        status: String,
    },
    /// A note of any length would make archives of any length.
    #[error("the note has {bytes} bytes, and {NOTE_BYTES} is the most: shorten it")]
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
