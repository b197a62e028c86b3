//! Why an output file cannot be.

use std::io;
use std::path::{Path, PathBuf};

/// Why an output file cannot be.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder is not there.
    #[error("the folder {} does not exist: make it first, or choose another", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The path names a folder, or nothing.
    #[error("{} is no name for a file", path.display())]
    NoFileName {
        /// The path.
        path: PathBuf,
    },
    /// The path names a device, a FIFO or a socket, which a file must not replace.
    #[error("{} is no regular file: choose another name", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Where everybody may write, links are not followed that somebody else made (as `fs.protected_symlinks` has it).
    #[error("{} is a symbolic link that somebody else made in a folder for all: choose another name", path.display())]
    ForeignLink {
        /// The link.
        path: PathBuf,
    },
    /// Only files are encrypted.
    #[error("only a file can be encrypted: name one by -e FILE")]
    Unsealed,
    /// Standard output cannot be used.
    #[error("write to standard output")]
    Stdout(#[source] io::Error),
    /// A pipe cannot be used.
    #[error("write to the pipe")]
    Pipe(#[source] io::Error),
    /// Whoever lent the file did not keep the archive.
    #[error("hand the archive over")]
    Lent(#[source] io::Error),
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
}

pub(super) fn call(call: &'static str, path: &Path, source: io::Error) -> OutputError {
    OutputError::Call { call, path: path.to_owned(), source }
}
