//! Why the store gives no answer.

use std::io;
use std::path::{Path, PathBuf};

use crate::engine::EngineError;
use crate::engine::storage::StorageError;
use crate::host::output::OutputError;

/// Why the store gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Others could put an archive into it, and whoever wrote an archive can run anything as root.
    #[error(
        "others may write to {} (mode {mode:03o}, owner {uid}), so it is no place for archives: chown it to root and \
         chmod it to 700, or name another store with --store",
        folder.display()
    )]
    Open {
        /// The folder.
        folder: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Its owner.
        uid: u32,
    },
    /// What is asked for is no container's name.
    #[error("{name:?} is no name of a container")]
    NoName {
        /// What was asked for.
        name: String,
    },
    /// There is no archive of the container.
    #[error("{container} has no save in {}: `ckpt save {container}` makes one", store.display())]
    NoSaves {
        /// Its name.
        container: String,
        /// Where was looked.
        store: PathBuf,
    },
    /// It has fewer archives.
    #[error(
        "{container} has {count} saves that can be restored, and no {container}~{back}: `ckpt history {container}` lists them"
    )]
    TooFar {
        /// The container's name.
        container: String,
        /// How many back was asked for.
        back: u32,
        /// How many there are.
        count: usize,
    },
    /// The present state is no archive.
    #[error("{container}~0 would be {container} itself, as it is now: {container}~1 is its newest save")]
    Present {
        /// The container's name.
        container: String,
    },
    /// No ID or tag is like that.
    #[error("{container} has no save with the ID or tag {word:?}: `ckpt history {container}` lists them")]
    Unknown {
        /// The container's name.
        container: String,
        /// What was asked for.
        word: String,
    },
    /// More than one ID, or an ID and a tag, are like that.
    #[error("{word:?} could be any of these saves of {container}: {}. Give more digits of the ID", candidates.join(", "))]
    Ambiguous {
        /// The container's name.
        container: String,
        /// What was asked for.
        word: String,
        /// IDs.
        candidates: Vec<String>,
    },
    /// What was looked up is gone.
    #[error("{} was removed meanwhile", path.display())]
    Gone {
        /// The archive.
        path: PathBuf,
    },
    /// A tag has other characters than tags have.
    #[error(
        "{tag:?} is no tag: letters, digits, `_`, `.` and `-`, at most 128, and neither `.` nor `-` at the beginning"
    )]
    BadTag {
        /// As given.
        tag: String,
    },
    /// The configuration file says something that is not understood.
    #[error("read {}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// podman's storage, beside which the store would be, is not known.
    #[error("find podman's storage, beside which the saves are: --store names another place")]
    Storage(#[from] StorageError),
    /// podman is not there to be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The index cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A system call failed.
    #[error("{call} {}", path.display())]
    Io {
        /// What was tried.
        call: &'static str,
        /// On which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(call: &'static str, path: &Path, source: io::Error) -> Self {
        StoreError::Io { call, path: path.to_owned(), source }
    }
}
