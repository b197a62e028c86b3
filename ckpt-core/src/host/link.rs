//! Symbolic links, looked at and read as one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, readlinkat};
use rustix::io::Errno;

/// A symbolic link.
pub(crate) struct Link {
    /// What the kernel says of it.
    pub(crate) stat: Stat,
    /// Where it leads, as it is written.
    pub(crate) target: PathBuf,
}

/// The link that `path` itself is; `None` if it is something else. All is read through one descriptor, so that nobody
/// exchanges the link in between.
///
/// # Errors
/// Of openat(2), also if there is nothing.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Link>, Errno> {
    let link = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&link)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(None);
    }
    let target = readlinkat(&link, "", Vec::new())?;
    Ok(Some(Link { stat, target: OsString::from_vec(target.into_bytes()).into() }))
}
