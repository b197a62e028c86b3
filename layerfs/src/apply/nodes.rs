//! Sockets, and more names for files of the upperdir.

use std::ffi::OsString;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};

use super::error::ApplyError;
use super::upperdir::{OpenDir, Upperdir, names_of};
use crate::layer_file::Xattr;

/// What a new file looks like to the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAttributes {
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Xattrs, names as the merged tree shows them.
    pub xattrs: Vec<Xattr>,
}

impl Upperdir {
    /// Makes a socket that nobody listens on. Parents are made as by [`copy_up_dir`](Self::copy_up_dir).
    ///
    /// # Errors
    /// As [`copy_up_dir`](Self::copy_up_dir), [`ApplyError::Root`] for the root itself, and [`ApplyError::Change`] also
    /// where the upperdir has something of that name.
    pub fn make_socket(&mut self, path: &Path, attributes: &NodeAttributes) -> Result<(), ApplyError> {
        let (dir, parent, name) = self.parent_of(path)?;
        let path = parent.join(&name);
        self.keeping_times(&dir.fd, &path, || {
            rustix::fs::mknodat(&dir.fd, &name, FileType::Socket, Mode::RUSR, 0)
                .map_err(self.refused("make the socket", &path))
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&dir.fd, &name, flags, Mode::empty()).map_err(self.refused("open", &path))?;
        self.set_attributes(&format!("/proc/self/fd/{}", made.as_raw_fd()), &path, attributes)?;
        self.last = Some((parent, dir));
        Ok(())
    }

    /// Gives the file `original` of the upperdir, which is no directory, another name.
    ///
    /// # Errors
    /// As [`make_socket`](Self::make_socket), and [`ApplyError::Access`] where there is no original in the upperdir.
    pub fn make_link(&mut self, original: &Path, path: &Path) -> Result<(), ApplyError> {
        let mut names = names_of(original)?;
        let old_name = names.pop().ok_or(ApplyError::Root)?;
        let old_dir = self.root.open_dir(&names.iter().collect::<PathBuf>())?;
        let (dir, parent, name) = self.parent_of(path)?;
        let path = parent.join(&name);
        self.keeping_times(&dir.fd, &path, || {
            rustix::fs::linkat(&old_dir, &old_name, &dir.fd, &name, AtFlags::empty())
                .map_err(self.refused("make the link", &path))
        })?;
        self.last = Some((parent, dir));
        Ok(())
    }

    /// The directory that a new file goes to, made if need be, its path, and the file's name in it.
    fn parent_of(&mut self, path: &Path) -> Result<(OpenDir, PathBuf, OsString), ApplyError> {
        let mut names = names_of(path)?;
        let name = names.pop().ok_or(ApplyError::Root)?;
        let dir = match self.take_last(&names) {
            Some(dir) => dir,
            None => self.make_dirs(&names)?,
        };
        Ok((dir, names.iter().collect(), name))
    }

    /// `made` is a path through the descriptor of the file itself. The owner first: chown clears the set-id bits.
    fn set_attributes(&self, made: &str, path: &Path, attributes: &NodeAttributes) -> Result<(), ApplyError> {
        self.drop_inherited_acls(made, path)?;
        let (uid, gid) = self.owner_on_disk((attributes.uid, attributes.gid), path)?;
        rustix::fs::chown(made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(self.refused("set the owner of", path))?;
        for Xattr { name, value } in &attributes.xattrs {
            let value = self.xattr_on_disk(name, value.clone(), path)?;
            rustix::fs::setxattr(made, &self.ns.stored_xattr_name(name)[..], &value, XattrFlags::empty())
                .map_err(self.refused("set an xattr of", path))?;
        }
        let mode = Mode::from_raw_mode(attributes.mode & 0o7777);
        rustix::fs::chmod(made, mode).map_err(self.refused("set the mode of", path))?;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: attributes.mtime.0, tv_nsec: attributes.mtime.1.into() },
        };
        rustix::fs::utimensat(rustix::fs::CWD, made, &times, AtFlags::empty())
            .map_err(self.refused("set the times of", path))
    }
}
