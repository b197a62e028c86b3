//! Directories that are made in the upperdir because something below them is.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, XattrFlags};

use super::error::ApplyError;
use super::upperdir::{OpenDir, Standing, Upperdir, names_of, times_of};
use crate::layer_file::Xattr;
use crate::lower::Node;
use crate::overlay;

/// Mode of a directory no lower layer shows.
const DEFAULT_MODE: Mode = Mode::from_raw_mode(0o755);

impl Upperdir {
    /// Makes `path` exist as a directory of the upperdir.
    ///
    /// Each missing component gets owner, mode and xattrs of the lower directory it hides, or 0755 of the effective
    /// user where no lower layer shows one; the times follow in [`finish`](Self::finish). A whiteout in the way becomes
    /// an opaque directory, as by mkdir(2) on the mounted overlay. Times of directories that were there are kept.
    ///
    /// # Errors
    /// [`ApplyError::UnsafePath`], [`ApplyError::Symlink`] or [`ApplyError::NotADirectory`] if the path cannot be a
    /// directory; [`ApplyError::Change`] when the kernel refuses.
    pub fn copy_up_dir(&mut self, path: &Path) -> Result<(), ApplyError> {
        let names = names_of(path)?;
        let dir = self.make_dirs(&names)?;
        self.last = Some((names.iter().collect(), dir));
        Ok(())
    }

    /// Leaves the times of this directory alone in [`finish`](Self::finish): the caller has set them, or will.
    pub fn keep_times_of(&mut self, path: &Path) {
        self.copied_up.remove(path);
    }

    /// Sets the times of the directories that were copied up, deepest first, so call it when everything in them exists.
    ///
    /// # Errors
    /// [`ApplyError::Change`] naming the directory whose times cannot be set.
    pub fn finish(self) -> Result<(), ApplyError> {
        for (path, times) in self.copied_up.iter().rev() {
            let fd = self.root.open_dir(path)?;
            rustix::fs::futimens(&fd, times).map_err(self.refused("set the times of", path))?;
        }
        Ok(())
    }

    pub(super) fn make_dirs(&mut self, names: &[OsString]) -> Result<OpenDir, ApplyError> {
        let mut dir = self.open_root()?;
        let mut path = PathBuf::new();
        for name in names {
            path.push(name);
            dir = match self.standing(dir.fd.as_fd(), &path, name)? {
                Standing::Directory => self.enter_upper(&dir, &path, name)?,
                Standing::Nothing => self.copy_up(&dir, &path, name)?,
                Standing::Whiteout => self.replace_whiteout(&dir, &path, name)?,
                Standing::Symlink => return Err(ApplyError::Symlink { path }),
                Standing::Other => return Err(ApplyError::NotADirectory { path }),
            };
        }
        Ok(dir)
    }

    /// Makes a missing directory look like the lower one it hides.
    fn copy_up(&mut self, parent: &OpenDir, path: &Path, name: &OsStr) -> Result<OpenDir, ApplyError> {
        let Some(lower) = self.lowers.child(&parent.lowers, name)? else {
            let fd = self.make_dir(parent, path, name)?;
            return Ok(OpenDir { fd, lowers: Vec::new() });
        };
        match overlay::file_type(&lower.entry.stat) {
            FileType::Directory => self.copy_up_lower(parent, path, name, lower),
            FileType::Symlink => Err(ApplyError::Symlink { path: path.into() }),
            _ => Err(ApplyError::NotADirectory { path: path.into() }),
        }
    }

    fn copy_up_lower(
        &mut self,
        parent: &OpenDir,
        path: &Path,
        name: &OsStr,
        lower: Node,
    ) -> Result<OpenDir, ApplyError> {
        let fd = self.make_dir(parent, path, name)?;
        self.copy_owner_and_mode(&fd, path, &lower)?;
        self.copy_xattrs(&fd, path, &lower)?;
        let times = times_of(&lower.entry.stat);
        rustix::fs::futimens(&fd, &times).map_err(self.refused("set the times of", path))?;
        self.copied_up.insert(path.into(), times);
        Ok(OpenDir { fd, lowers: lower.into_dir_parts() })
    }

    /// What mkdir(2) over a whiteout does in the mounted overlay (`ovl_create_over_whiteout`).
    fn replace_whiteout(&self, parent: &OpenDir, path: &Path, name: &OsStr) -> Result<OpenDir, ApplyError> {
        self.keeping_times(&parent.fd, path, || {
            rustix::fs::unlinkat(&parent.fd, name, AtFlags::empty()).map_err(self.refused("remove the whiteout", path))
        })?;
        let fd = self.make_dir(parent, path, name)?;
        self.mark_opaque(&fd, path)?;
        Ok(OpenDir { fd, lowers: Vec::new() })
    }

    fn make_dir(&self, parent: &OpenDir, path: &Path, name: &OsStr) -> Result<OwnedFd, ApplyError> {
        self.keeping_times(&parent.fd, path, || {
            rustix::fs::mkdirat(&parent.fd, name, DEFAULT_MODE).map_err(self.refused("make the directory", path))
        })?;
        let fd = self.open_upper(parent.fd.as_fd(), path, name)?;
        self.drop_inherited_acls(&format!("/proc/self/fd/{}", fd.as_raw_fd()), path)?;
        // Whatever the umask says.
        rustix::fs::fchmod(&fd, DEFAULT_MODE).map_err(self.refused("set the mode of", path))?;
        if !self.ids.is_identity() {
            self.set_owner(&fd, path, (0, 0))?;
        }
        Ok(fd)
    }

    fn copy_owner_and_mode(&self, fd: &OwnedFd, path: &Path, lower: &Node) -> Result<(), ApplyError> {
        let stat = &lower.entry.stat;
        let seen = self.lowers.ids(lower.top().layer).owner_in_container((stat.st_uid, stat.st_gid));
        self.set_owner(fd, path, seen)?;
        // After the owner: chown clears the set-id bits.
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::fchmod(fd, mode).map_err(self.refused("set the mode of", path))
    }

    /// `owner` is the one that the container sees.
    fn set_owner(&self, fd: &OwnedFd, path: &Path, owner: (u32, u32)) -> Result<(), ApplyError> {
        let (uid, gid) = self.owner_on_disk(owner, path)?;
        rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(self.refused("set the owner of", path))
    }

    /// Copies all xattrs but the overlay's own. Those of an overlay that lies in this one stay escaped.
    fn copy_xattrs(&self, fd: &OwnedFd, path: &Path, lower: &Node) -> Result<(), ApplyError> {
        let ids = self.lowers.ids(lower.top().layer);
        let xattrs = lower.entry.file().xattrs()?;
        for Xattr { name, value } in xattrs.into_iter().filter(|xattr| self.ns.merged_xattr_name(&xattr.name).is_some())
        {
            let value = self.xattr_on_disk(&name, ids.xattr_in_container(&name, value), path)?;
            rustix::fs::fsetxattr(fd, &name[..], &value, XattrFlags::empty())
                .map_err(self.refused("set an xattr of", path))?;
        }
        Ok(())
    }
}
