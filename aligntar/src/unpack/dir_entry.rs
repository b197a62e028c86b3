//! Where a member goes, and what is said if it cannot.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Stat, statat, unlinkat};
use rustix::io::Errno;

use super::error::{Refusal, UnpackError};
use crate::entry::Entry;
use crate::inode::os;
use crate::shown::lossy;
use crate::transfer::TransferError;

/// Which member is at work, for errors.
#[derive(Clone, Copy)]
pub(super) struct Context<'m> {
    pub(super) path: &'m [u8],
    pub(super) offset: u64,
}

impl Context<'_> {
    pub(super) fn refused(self, why: Refusal) -> UnpackError {
        UnpackError::Refused { path: lossy(self.path), offset: self.offset, why }
    }

    /// What [`Resolver::open`](crate::beneath::Resolver::open) said of a directory.
    pub(super) fn unresolved(self, errno: Errno) -> UnpackError {
        match errno {
            Errno::LOOP | Errno::XDEV => self.refused(Refusal::ThroughSymlink),
            Errno::NOTDIR => self.refused(Refusal::ThroughFile),
            errno => self.failed("open its directory")(errno),
        }
    }

    pub(super) fn failed(self, call: &'static str) -> impl FnOnce(Errno) -> UnpackError {
        move |source| UnpackError::Call { path: lossy(self.path), offset: self.offset, call, source }
    }

    pub(super) fn no_attribute(self, name: &[u8], source: Errno) -> UnpackError {
        UnpackError::Attribute { path: lossy(self.path), offset: self.offset, name: lossy(name), source }
    }

    /// The archive itself could not be used.
    pub(super) fn unreadable(self, entry: &Entry, source: std::io::Error) -> UnpackError {
        self.data_error(TransferError::Read { offset: entry.data_offset, source })
    }

    pub(super) fn data_error(self, source: TransferError) -> UnpackError {
        UnpackError::Data { path: lossy(self.path), offset: self.offset, source }
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
        let stat = statat(self.parent, os(self.name), AtFlags::SYMLINK_NOFOLLOW).map_err(self.at.failed("stat"))?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// Whether the name is one of `inode` already.
    pub(super) fn is(self, inode: InodeId) -> bool {
        let stat = statat(self.parent, os(self.name), AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| InodeId::of(&stat) == inode)
    }

    /// Takes a half-made file away, unless the name has become another's; what went wrong before is the error to tell.
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
