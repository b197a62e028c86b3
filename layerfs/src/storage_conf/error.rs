//! Why the configuration could not be read.

use std::path::PathBuf;

use crate::bounded_read::ReadError;

/// The configuration could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageConfError {
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file named by an environment variable does not exist.
    #[error("{} does not exist, though the environment names it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A drop-in folder could not be listed.
    #[error("cannot list {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file is not UTF-8.
    #[error("{} is not UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        source: std::str::Utf8Error,
    },
    /// A file is not TOML, or has a value of the wrong type.
    #[error("cannot parse {}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
}
