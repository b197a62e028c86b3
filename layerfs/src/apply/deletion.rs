//! Deletes paths from the merged tree.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};

use super::error::ApplyError;
use super::find::Found;
use super::upperdir::{OpenDir, Standing, Upperdir, names_of};

/// How [`Upperdir::delete`] hides a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// A whiteout now hides it (or did already).
    Whiteout,
    /// The upper directory of that name is now opaque, so that nothing of the lower one shows.
    Opaque,
    /// No lower layer's version shows: there is none, or the upper layer hides it already.
    NotShown,
}

impl Upperdir {
    /// Hides what the lower layers show at `path`.
    ///
    /// Where the upperdir has nothing of that name, this makes a whiteout, and copies up the parents. Where it has a
    /// directory, this marks the directory opaque, as the kernel does for `rm -r d; mkdir d`. The parent keeps its
    /// times.
    ///
    /// # Errors
    /// As [`copy_up_dir`](Self::copy_up_dir), and [`ApplyError::Root`] for the root itself.
    pub fn delete(&mut self, path: &Path) -> Result<Deletion, ApplyError> {
        let mut names = names_of(path)?;
        let name = names.pop().ok_or(ApplyError::Root)?;
        let dir = match self.take_last(&names) {
            Some(dir) => dir,
            None => match self.find(&names)? {
                Found::Upper(dir) => dir,
                Found::LowerOnly(lowers) if self.lowers.child(&lowers, &name)?.is_none() => {
                    return Ok(Deletion::NotShown);
                }
                Found::LowerOnly(_) => self.make_dirs(&names)?,
            },
        };
        let parent: PathBuf = names.iter().collect();
        let deletion = self.delete_in(&dir, &parent.join(&name), &name)?;
        self.last = Some((parent, dir));
        Ok(deletion)
    }

    fn delete_in(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<Deletion, ApplyError> {
        match self.standing(dir.fd.as_fd(), path, name)? {
            Standing::Whiteout => Ok(Deletion::Whiteout),
            Standing::Symlink | Standing::Other => Ok(Deletion::NotShown),
            Standing::Nothing => match self.lowers.child(&dir.lowers, name)? {
                Some(_) => self.make_whiteout(dir, path, name).map(|()| Deletion::Whiteout),
                None => Ok(Deletion::NotShown),
            },
            Standing::Directory => match self.lowers.child(&dir.lowers, name)? {
                // Only a directory would merge; anything else is hidden by the upper one.
                Some(node) if node.entry.is_dir() => self.make_opaque(dir, path, name).map(|()| Deletion::Opaque),
                _ => Ok(Deletion::NotShown),
            },
        }
    }

    fn make_whiteout(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<(), ApplyError> {
        self.keeping_times(&dir.fd, path, || {
            rustix::fs::mknodat(&dir.fd, name, FileType::CharacterDevice, Mode::empty(), 0)
                .map_err(self.refused("make the whiteout", path))
        })
    }

    fn make_opaque(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<(), ApplyError> {
        let fd = self.open_upper(dir.fd.as_fd(), path, name)?;
        self.mark_opaque(&fd, path)
    }
}
