//! What of a path is in the upperdir, and what is in the lower layers alone.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::error::ApplyError;
use super::upperdir::{OpenDir, Standing, Upperdir, names_of};
use crate::lower::{Node, Part};
use crate::overlay;

/// Where a directory is.
pub(super) enum Found {
    Upper(OpenDir),
    /// Nothing yet in the upperdir.
    LowerOnly(Vec<Part>),
}

impl Upperdir {
    /// Whether the merged tree has anything at `path`.
    ///
    /// # Errors
    /// As [`copy_up_dir`](Self::copy_up_dir), for the directories on the way.
    pub fn shows(&self, path: &Path) -> Result<bool, ApplyError> {
        let names = names_of(path)?;
        let Some((name, parents)) = names.split_last() else { return Ok(true) };
        let in_lower = |lowers: &[Part]| Ok(self.lowers.child(lowers, name)?.is_some());
        match self.find(parents)? {
            Found::LowerOnly(lowers) => in_lower(&lowers),
            Found::Upper(dir) => match self.standing(dir.fd.as_fd(), path, name)? {
                Standing::Nothing => in_lower(&dir.lowers),
                Standing::Whiteout => Ok(false),
                Standing::Directory | Standing::Symlink | Standing::Other => Ok(true),
            },
        }
    }

    /// Follows the names through the upperdir, and through the lower layers alone where that ends.
    pub(super) fn find(&self, names: &[OsString]) -> Result<Found, ApplyError> {
        let mut found = Found::Upper(self.open_root()?);
        let mut path = PathBuf::new();
        for name in names {
            path.push(name);
            found = match found {
                Found::Upper(dir) => self.find_in_upper(&dir, &path, name)?,
                Found::LowerOnly(lowers) => Found::LowerOnly(lower_dir(self.lowers.child(&lowers, name)?, &path)?),
            };
        }
        Ok(found)
    }

    fn find_in_upper(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<Found, ApplyError> {
        match self.standing(dir.fd.as_fd(), path, name)? {
            Standing::Directory => self.enter_upper(dir, path, name).map(Found::Upper),
            Standing::Nothing => Ok(Found::LowerOnly(lower_dir(self.lowers.child(&dir.lowers, name)?, path)?)),
            Standing::Symlink => Err(ApplyError::Symlink { path: path.into() }),
            Standing::Whiteout | Standing::Other => Ok(Found::LowerOnly(Vec::new())),
        }
    }
}

/// The parts of a lower directory on the way to a path; symlinks there are an error, as in the upperdir.
fn lower_dir(node: Option<Node>, path: &Path) -> Result<Vec<Part>, ApplyError> {
    match node {
        Some(node) if overlay::file_type(&node.entry.stat) == FileType::Symlink => {
            Err(ApplyError::Symlink { path: path.into() })
        }
        node => Ok(node.map(Node::into_dir_parts).unwrap_or_default()),
    }
}
