//! A new file, by descriptor, for the calls that set its attributes: none of them goes by a name.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown, fsetxattr, futimens, utimensat,
};
use rustix::io::Errno;

/// How a descriptor holds a file.
#[derive(Clone, Copy)]
pub(super) enum FileRef<'f> {
    /// Open.
    Open(BorrowedFd<'f>),
    /// With O_PATH, because it must not be opened or cannot.
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

/// A path to the inode itself, for calls that refuse O_PATH (open(2)). It ends at a symbolic link rather than follow
/// it.
fn in_proc(file: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
