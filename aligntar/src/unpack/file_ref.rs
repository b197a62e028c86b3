//! A file that was made, for the calls that give it what it shall have: none of them goes by a name.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown, fsetxattr, futimens, utimensat,
};
use rustix::io::Errno;

/// How a file is at hand.
#[derive(Clone, Copy)]
pub(super) enum FileRef<'f> {
    /// Open.
    Open(BorrowedFd<'f>),
    /// As a mere path (O_PATH), because it must not be opened or cannot.
    Path(BorrowedFd<'f>),
}

impl FileRef<'_> {
    pub(super) fn chown(self, uid: Uid, gid: Gid) -> Result<(), Errno> {
        match self {
            FileRef::Open(file) => fchown(file, Some(uid), Some(gid)),
            FileRef::Path(file) => chownat(file, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH),
        }
    }

    pub(super) fn chmod(self, mode: Mode) -> Result<(), Errno> {
        match self {
            FileRef::Open(file) => fchmod(file, mode),
            FileRef::Path(file) => rustix::fs::chmod(in_proc(file), mode),
        }
    }

    pub(super) fn set_xattr(self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            FileRef::Open(file) => fsetxattr(file, name, value, XattrFlags::empty()),
            FileRef::Path(file) => rustix::fs::setxattr(in_proc(file), name, value, XattrFlags::empty()),
        }
    }

    pub(super) fn set_times(self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            FileRef::Open(file) => futimens(file, times),
            FileRef::Path(file) => utimensat(file, "", times, AtFlags::EMPTY_PATH),
        }
    }
}

/// A path to the very inode, for calls that refuse O_PATH (open(2)). Where that is a symbolic link, it ends at the link.
fn in_proc(file: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
