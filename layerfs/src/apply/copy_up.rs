//! Directories that appear in the upperdir on the way to something else.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

use super::{ApplyError, OpenDir, Upperdir, times_of};
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
        self.copy_owner_and_mode(&fd, path, &lower)?;
        self.copy_xattrs(&fd, path, &lower)?;
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

    /// A default ACL of the parent, copied up with it, is not meant for this file. `made` leads through its descriptor.
    pub(super) fn drop_inherited_acls(&self, made: &str, path: &Path) -> Result<(), ApplyError> {
        for name in ["system.posix_acl_access", "system.posix_acl_default"] {
            match rustix::fs::removexattr(made, name) {
                // What is no directory has no default ACL; some file systems say so, some have none at all.
                Ok(()) | Err(Errno::NODATA | Errno::NOTSUP | Errno::ACCESS) => {}
                Err(errno) => return Err(self.refused("remove the inherited ACL of", path)(errno)),
            }
        }
        Ok(())
    }

    /// `owner` is the one that the container sees.
    fn set_owner(&self, fd: &OwnedFd, path: &Path, owner: (u32, u32)) -> Result<(), ApplyError> {
        let (uid, gid) = self.owner_on_disk(owner, path)?;
        rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(self.refused("set the owner of", path))
    }

    pub(super) fn owner_on_disk(&self, owner: (u32, u32), path: &Path) -> Result<(u32, u32), ApplyError> {
        self.ids.owner_on_disk(owner).ok_or_else(|| ApplyError::Owner { path: path.into(), owner })
    }

    /// All but the overlay's own; the escaped ones of an overlay within stay escaped.
    fn copy_xattrs(&self, fd: &OwnedFd, path: &Path, lower: &Node) -> Result<(), ApplyError> {
        let ids = self.lowers.ids(lower.top().layer);
        let xattrs = lower.entry.handle().xattrs()?;
        for Xattr { name, value } in xattrs.into_iter().filter(|xattr| self.ns.merged_xattr_name(&xattr.name).is_some())
        {
            let value = self.xattr_on_disk(&name, ids.xattr_in_container(&name, value), path)?;
            rustix::fs::fsetxattr(fd, &name[..], &value, XattrFlags::empty())
                .map_err(self.refused("set an xattr of", path))?;
        }
        Ok(())
    }

    pub(super) fn xattr_on_disk(&self, name: &[u8], value: Vec<u8>, path: &Path) -> Result<Vec<u8>, ApplyError> {
        let xattr = || String::from_utf8_lossy(name).into_owned();
        self.ids.xattr_on_disk(name, value).ok_or_else(|| ApplyError::XattrIds { path: path.into(), name: xattr() })
    }
}
