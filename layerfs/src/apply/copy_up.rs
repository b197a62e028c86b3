//! Directories that appear in the upperdir on the way to something else.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, XattrFlags};

use super::{ApplyError, OpenDir, Upperdir, times_of};
use crate::beneath::Entry;
use crate::handle::Xattr;
use crate::lower::Node;
use crate::overlay;

/// Mode of a directory no lower layer shows.
const DEFAULT_MODE: Mode = Mode::from_raw_mode(0o755);

impl Upperdir {
    /// Makes a missing directory look like the lower one it hides.
    pub(super) fn copy_up(&mut self, parent: &OpenDir, path: &Path, name: &OsStr) -> Result<OpenDir, ApplyError> {
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
        self.copy_owner_and_mode(&fd, path, &lower.entry)?;
        self.copy_xattrs(&fd, path, &lower.entry)?;
        let times = times_of(&lower.entry.stat);
        rustix::fs::futimens(&fd, &times).map_err(self.refused("set the times of", path))?;
        self.copied_up.insert(path.into(), times);
        Ok(OpenDir { fd, lowers: lower.into_dir_parts() })
    }

    /// What mkdir(2) over a whiteout does in the mounted overlay (`ovl_create_over_whiteout`).
    pub(super) fn replace_whiteout(&self, parent: &OpenDir, path: &Path, name: &OsStr) -> Result<OpenDir, ApplyError> {
        self.keeping_times(&parent.fd, path, || {
            rustix::fs::unlinkat(&parent.fd, name, AtFlags::empty()).map_err(self.refused("remove the whiteout", path))
        })?;
        let fd = self.make_dir(parent, path, name)?;
        self.mark_opaque(&fd, path)?;
        Ok(OpenDir { fd, lowers: Vec::new() })
    }

    fn make_dir(&self, parent: &OpenDir, path: &Path, name: &OsStr) -> Result<OwnedFd, ApplyError> {
        use std::os::fd::AsFd;
        self.keeping_times(&parent.fd, path, || {
            rustix::fs::mkdirat(&parent.fd, name, DEFAULT_MODE).map_err(self.refused("make the directory", path))
        })?;
        let fd = self.open_upper(parent.fd.as_fd(), path, name)?;
        // Whatever the umask says.
        rustix::fs::fchmod(&fd, DEFAULT_MODE).map_err(self.refused("set the mode of", path))?;
        Ok(fd)
    }

    fn copy_owner_and_mode(&self, fd: &OwnedFd, path: &Path, lower: &Entry) -> Result<(), ApplyError> {
        let (uid, gid) = (Uid::from_raw(lower.stat.st_uid), Gid::from_raw(lower.stat.st_gid));
        rustix::fs::fchown(fd, Some(uid), Some(gid)).map_err(self.refused("set the owner of", path))?;
        // After the owner: chown clears the set-id bits.
        let mode = Mode::from_raw_mode(lower.stat.st_mode & 0o7777);
        rustix::fs::fchmod(fd, mode).map_err(self.refused("set the mode of", path))
    }

    /// All but the overlay's own; the escaped ones of an overlay within stay escaped.
    fn copy_xattrs(&self, fd: &OwnedFd, path: &Path, lower: &Entry) -> Result<(), ApplyError> {
        let xattrs = lower.handle().xattrs()?;
        for Xattr { name, value } in xattrs.iter().filter(|xattr| self.ns.merged_xattr_name(&xattr.name).is_some()) {
            rustix::fs::fsetxattr(fd, &name[..], value, XattrFlags::empty())
                .map_err(self.refused("set an xattr of", path))?;
        }
        Ok(())
    }
}
