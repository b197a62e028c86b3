//! A name in a directory, which a member takes.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};

use super::context::Context;
use super::error::UnpackError;
use crate::inode::os;

/// A name, in the directory `parent`, of the member `at`.
#[derive(Clone, Copy)]
pub(super) struct DirEntry<'p> {
    pub(super) at: Context<'p>,
    pub(super) parent: BorrowedFd<'p>,
    pub(super) name: &'p [u8],
}

impl DirEntry<'_> {
    /// Opens what has the name, with O_PATH, and never follows it; `flags` may ask for a directory.
    pub(super) fn open(self, flags: OFlags) -> Result<(OwnedFd, Stat), UnpackError> {
        let flags = flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(self.parent, os(self.name), flags, Mode::empty()).map_err(self.at.failed("open"))?;
        let stat = fstat(&opened).map_err(self.at.failed("fstat"))?;
        Ok((opened, stat))
    }

    pub(super) fn is_directory(self) -> Result<bool, UnpackError> {
        let stat = statat(self.parent, os(self.name), AtFlags::SYMLINK_NOFOLLOW).map_err(self.at.failed("stat"))?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// Whether the name is one of `inode` already.
    pub(super) fn is(self, inode: InodeId) -> bool {
        let stat = statat(self.parent, os(self.name), AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| InodeId::of(&stat) == inode)
    }

    /// Removes a half-made file, unless another file has the name by now. A failure is ignored: the error that led here
    /// is the one to report.
    pub(super) fn discard(self, inode: InodeId) {
        if self.is(inode) {
            let _ = unlinkat(self.parent, os(self.name), AtFlags::empty());
        }
    }
}

/// Device and inode number: what stays the same whatever the names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct InodeId(u64, u64);

impl InodeId {
    pub(super) fn of(stat: &Stat) -> Self {
        InodeId(stat.st_dev, stat.st_ino)
    }

    #[cfg(test)]
    pub(super) fn new(device: u64, inode: u64) -> Self {
        InodeId(device, inode)
    }
}
