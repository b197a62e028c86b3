//! The error of every look at a file of a layer.

use std::ffi::OsString;
use std::path::PathBuf;

use rustix::io::Errno;

/// A file or directory of a layer could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Opening failed.
    #[error("cannot open {}", path.display())]
    Open {
        /// What was opened.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// `stat` failed.
    #[error("cannot stat {}", path.display())]
    Stat {
        /// What was asked about.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// Listing a directory failed.
    #[error("cannot list {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// Reading an xattr failed.
    #[error("cannot read xattr {name} of {}", path.display())]
    Xattr {
        /// Whose xattr.
        path: PathBuf,
        /// The xattr.
        name: String,
        /// The kernel's answer.
        source: Errno,
    },
    /// Listing the xattrs failed.
    #[error("cannot list the xattrs of {}", path.display())]
    ListXattrs {
        /// Whose xattrs.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// `overlay.redirect` has a value the kernel refuses too.
    #[error("{} has the redirect {value:?}, which is neither a name nor a clean absolute path", path.display())]
    BadRedirect {
        /// Whose xattr.
        path: PathBuf,
        /// Its value.
        value: OsString,
    },
}
