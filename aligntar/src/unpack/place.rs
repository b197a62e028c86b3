//! Where a member goes, and what is said if it cannot.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, OFlags, Uid};
use rustix::io::Errno;

use super::UnpackError;
use crate::beneath::{self, SafePath};
use crate::inode::os;
use crate::member::Member;
use crate::writer::lossy;

/// Which member is at work, for errors.
#[derive(Clone, Copy)]
pub(super) struct Context<'m> {
    pub(super) path: &'m [u8],
    pub(super) offset: u64,
}

impl Context<'_> {
    pub(super) fn safe(self, path: &[u8]) -> Result<SafePath, UnpackError> {
        SafePath::new(path).ok_or_else(|| self.unsafe_path("\"..\" or an empty name"))
    }

    pub(super) fn open(self, root: BorrowedFd<'_>, path: &SafePath, flags: OFlags) -> Result<OwnedFd, UnpackError> {
        beneath::open(root, path, flags).map_err(|errno| self.resolve_error(errno))
    }

    pub(super) fn resolve_error(self, errno: Errno) -> UnpackError {
        match errno {
            Errno::LOOP | Errno::XDEV => self.unsafe_path("a symbolic link"),
            errno => self.failed("open its directory")(errno),
        }
    }

    pub(super) fn owner(self, member: &Member) -> Result<(Uid, Gid), UnpackError> {
        // -1 means "leave as it is" to chown(2).
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or(Errno::OVERFLOW);
        let uid = id(member.uid).map_err(self.failed("chown"))?;
        let gid = id(member.gid).map_err(self.failed("chown"))?;
        Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    pub(super) fn unsafe_path(self, through: &'static str) -> UnpackError {
        UnpackError::UnsafePath { path: lossy(self.path), offset: self.offset, through }
    }

    pub(super) fn failed(self, call: &'static str) -> impl FnOnce(Errno) -> UnpackError {
        let (path, offset) = (lossy(self.path), self.offset);
        move |source| UnpackError::Call { path, offset, call, source }
    }
}

/// Where a member goes.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) at: Context<'p>,
    pub(super) parent: BorrowedFd<'p>,
    pub(super) name: &'p [u8],
}

impl Place<'_> {
    pub(super) fn is_directory(self) -> Result<bool, UnpackError> {
        let stat = self.stat(self.parent, self.name)?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    pub(super) fn is_same_inode(self, directory: &OwnedFd, name: &[u8]) -> Result<bool, UnpackError> {
        let (one, other) = (self.stat(self.parent, self.name)?, self.stat(directory.as_fd(), name)?);
        Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
    }

    fn stat(self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<rustix::fs::Stat, UnpackError> {
        rustix::fs::statat(directory, os(name), AtFlags::SYMLINK_NOFOLLOW).map_err(self.at.failed("stat"))
    }
}
