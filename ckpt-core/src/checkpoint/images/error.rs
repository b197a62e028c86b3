//! Why CRIU's images could not be taken.

use std::io;
use std::path::{Path, PathBuf};

use aligntar::PackError;

use crate::archive::Oversize;

/// Why CRIU's images could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// A system call failed.
    #[error("{call} {}", path.display())]
    Call {
        /// What was tried.
        call: &'static str,
        /// On which path.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The archive would be of no use.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// An image could not be read, or the archive not be written.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl ImagesError {
    pub(in crate::checkpoint) fn new(call: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        ImagesError::Call { call, path: path.to_owned(), source: source.into() }
    }
}
