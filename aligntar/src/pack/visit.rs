//! The names of a tree, for callers that pack nothing.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::FileType;

use super::error::PackError;
use super::options::{ChangePolicy, PackOptions};
use super::walk::Walk;

/// Calls `visit` with all that is below the directory `root`: the directory that holds it, its name there (`.` for a
/// directory, which is open then), and what it is. Paths may have any length. What vanishes meanwhile is left out.
///
/// # Errors
/// [`PackError::ReadDir`].
pub fn visit_names(root: impl AsFd, visit: &mut dyn FnMut(BorrowedFd<'_>, &CStr, FileType)) -> Result<(), PackError> {
    let options = PackOptions { changes: ChangePolicy::List, ..PackOptions::default() };
    let mut walk = Walk::new(root.as_fd(), b".", options)?;
    while let Some(found) = walk.next_name()? {
        visit(found.parent.as_fd(), &found.name, found.file_type);
    }
    Ok(())
}
