//! Opens the directory that a member lies in, beneath the root, and makes it if the archive does not have it.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::context::Context;
use super::error::UnpackError;
use super::made_symlinks::Unresolved;
use super::open_dirs::OpenDir;
use super::unpacker::Unpacker;
use crate::safe_path::SafePath;
use crate::shown::lossy;

/// What to do about a directory that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Tell,
}

impl Unpacker<'_> {
    /// The directory `above`, a safe path.
    pub(super) fn open_parent(
        &mut self,
        at: Context<'_>,
        above: &[u8],
        missing: Missing,
    ) -> Result<OpenDir, UnpackError> {
        // A thread may have a file that will replace the directory, if that is empty.
        self.wait_for(above);
        if let Some(real) = self.open_dirs.get(above).and_then(|folder| folder.real.clone()) {
            self.wait_for(real.as_bytes());
        }
        if let Some(folder) = self.open_dirs.get(above) {
            return Ok(folder.clone());
        }
        self.wait_for_way(above);
        let (opened, real) = match self.open_or_make(at, above, missing)? {
            Err(Errno::LOOP) if self.observer.is_some() => {
                let real = self.follow(at, above)?;
                (self.open_or_make(at, real.as_bytes(), missing)?, Some(real))
            }
            opened => (opened, None),
        };
        let opened = opened.map_err(|errno| at.unresolved(errno))?;
        Ok(self.open_dirs.keep(above, real, opened).clone())
    }

    fn open_or_make(
        &mut self,
        at: Context<'_>,
        path: &[u8],
        missing: Missing,
    ) -> Result<Result<OwnedFd, Errno>, UnpackError> {
        let (root, resolver) = (self.root, self.options.resolver);
        let open = || resolver.open(root, path, OFlags::PATH);
        match open() {
            Err(Errno::NOENT) if missing == Missing::Make => {
                let made = self.parents.make(root, path);
                made.map_err(|source| UnpackError::Parent { path: lossy(at.path), offset: at.offset, source })?;
                Ok(open())
            }
            opened => Ok(opened),
        }
    }

    /// Where `path` leads through links of this run, as a path without links.
    fn follow(&mut self, at: Context<'_>, path: &[u8]) -> Result<SafePath, UnpackError> {
        // What threads still make may lie on the way, or replace a link.
        self.settle();
        let (real, followed) =
            self.symlinks.resolve(self.root, self.options.resolver, path).map_err(|no_way| match no_way {
                Unresolved::Refused(why) => at.refused(why),
                Unresolved::Failed(errno) => at.unresolved(errno),
            })?;
        if let Some(observer) = &mut self.observer {
            followed.into_iter().for_each(|(link, target)| observer.followed(link, target));
        }
        Ok(real)
    }

    /// A member is about to be made as `path`: nothing else that waits for this name will be.
    pub(super) fn take_name(&mut self, path: &SafePath) {
        self.wait_for(path.as_bytes());
        self.waiting.remove(path);
        self.forget_link(path);
    }

    /// What is at `path` is removed, or about to be: forgets the directories that were found through it.
    pub(super) fn forget_link(&mut self, path: &SafePath) {
        if self.symlinks.forget(path) {
            self.open_dirs.forget();
        }
    }
}
