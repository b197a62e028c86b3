//! One layer's directory, held open: every path is resolved beneath it by the kernel.
//!
//! `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV` (Linux 5.6): no `..`, no symlink and no
//! mount inside a layer leads anywhere else. Overlayfs itself does not look into mounts inside a layer either.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::overlay::{Marker, Opacity, Redirect, XattrNamespace, file_type};

/// A file or directory of a layer could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Opening failed.
    #[error("cannot open {}", path.display())]
    Open {
        /// What was opened.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// `stat` failed.
    #[error("cannot stat {}", path.display())]
    Stat {
        /// What was asked about.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// Listing a directory failed.
    #[error("cannot list {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// Reading an xattr failed.
    #[error("cannot read xattr {name} of {}", path.display())]
    Xattr {
        /// Whose xattr.
        path: PathBuf,
        /// The xattr.
        name: String,
        /// The kernel's answer.
        source: Errno,
    },
    /// `overlay.redirect` has a value the kernel refuses too.
    #[error("{} has the redirect {value:?}, which is neither a name nor a clean absolute path", path.display())]
    BadRedirect {
        /// Whose xattr.
        path: PathBuf,
        /// Its value.
        value: OsString,
    },
}

/// Longest xattr value Linux stores (`XATTR_SIZE_MAX`, `linux/limits.h`).
const XATTR_SIZE_MAX: usize = 65536;

/// The root directory of one layer.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens a layer's directory; symlinks on the way *to* it are followed.
    pub(crate) fn open(path: &Path) -> Result<Self, AccessError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|source| AccessError::Open { path: path.into(), source })?;
        Ok(Self { fd, path: path.into() })
    }

    /// The layer's path joined with one inside it, for messages.
    pub(crate) fn full(&self, inside: &Path) -> PathBuf {
        if inside.as_os_str().is_empty() { self.path.clone() } else { self.path.join(inside) }
    }

    /// An `O_PATH` descriptor of the file itself (a symlink is not followed) with its `stat`; `None` when there is
    /// nothing of that name.
    pub(crate) fn entry(&self, inside: &Path) -> Result<Option<Entry>, AccessError> {
        let fd = match self.openat2(inside, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(source) => return Err(AccessError::Open { path: self.full(inside), source }),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|source| AccessError::Stat { path: self.full(inside), source })?;
        Ok(Some(Entry { fd, stat, path: self.full(inside) }))
    }

    /// A directory, readable.
    pub(crate) fn open_dir(&self, inside: &Path) -> Result<OwnedFd, AccessError> {
        self.open_with(inside, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// A regular file, readable. `O_NONBLOCK` so that a FIFO put in its place cannot hold us.
    pub(crate) fn open_file(&self, inside: &Path) -> Result<OwnedFd, AccessError> {
        self.open_with(inside, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)
    }

    fn open_with(&self, inside: &Path, flags: OFlags) -> Result<OwnedFd, AccessError> {
        self.openat2(inside, flags).map_err(|source| AccessError::Open { path: self.full(inside), source })
    }

    /// The system call, for callers that tell errnos apart themselves.
    pub(crate) fn openat2(&self, inside: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        rustix::io::retry_on_intr(|| {
            rustix::fs::openat2(&self.fd, inside, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
        })
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A file of a layer, held by an `O_PATH` or ordinary descriptor.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) fd: OwnedFd,
    pub(crate) stat: Stat,
    /// For messages.
    pub(crate) path: PathBuf,
}

impl Entry {
    pub(crate) fn is_dir(&self) -> bool {
        file_type(&self.stat) == FileType::Directory
    }

    pub(crate) fn is_regular(&self) -> bool {
        file_type(&self.stat) == FileType::RegularFile
    }

    fn handle(&self) -> Handle<'_> {
        Handle { dir: self.fd.as_fd(), name: None, path: &self.path }
    }

    pub(crate) fn opacity(&self, ns: XattrNamespace) -> Result<Opacity, AccessError> {
        self.handle().opacity(ns)
    }

    pub(crate) fn redirect(&self, ns: XattrNamespace) -> Result<Option<Redirect>, AccessError> {
        self.handle().redirect(ns)
    }

    pub(crate) fn has_marker(&self, ns: XattrNamespace, marker: Marker) -> Result<bool, AccessError> {
        self.handle().has_marker(ns, marker)
    }
}

/// A file whose markers are read without opening it: a directory's descriptor and a name in it, or a descriptor alone.
///
/// The path through `/proc/self/fd` reaches `O_PATH` descriptors, symlinks and devices alike, with one system call
/// (`getxattrat` would too, from Linux 6.13 on).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle<'a> {
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) name: Option<&'a OsStr>,
    /// For messages.
    pub(crate) path: &'a Path,
}

impl Handle<'_> {
    pub(crate) fn opacity(self, ns: XattrNamespace) -> Result<Opacity, AccessError> {
        Ok(Opacity::from_xattr(self.marker(ns, Marker::Opaque)?.as_deref()))
    }

    pub(crate) fn redirect(self, ns: XattrNamespace) -> Result<Option<Redirect>, AccessError> {
        let Some(value) = self.marker(ns, Marker::Redirect)? else { return Ok(None) };
        match Redirect::from_xattr(&value) {
            Some(redirect) => Ok(Some(redirect)),
            None => Err(AccessError::BadRedirect { path: self.path.into(), value: OsString::from_vec(value) }),
        }
    }

    pub(crate) fn has_marker(self, ns: XattrNamespace, marker: Marker) -> Result<bool, AccessError> {
        Ok(self.marker(ns, marker)?.is_some())
    }

    fn marker(self, ns: XattrNamespace, marker: Marker) -> Result<Option<Vec<u8>>, AccessError> {
        let name = ns.name(marker);
        self.xattr(&name).map_err(|source| AccessError::Xattr { path: self.path.into(), name, source })
    }

    fn xattr(self, xattr: &str) -> rustix::io::Result<Option<Vec<u8>>> {
        // Almost every file has none of the markers: ask with a small buffer first, which is one call.
        let mut small = [0_u8; 256];
        match self.getxattr(xattr, &mut small) {
            Ok(len) => Ok(Some(small[..len].to_vec())),
            // A filesystem without xattrs has no markers.
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(Errno::RANGE) => {
                let mut large = vec![0; XATTR_SIZE_MAX];
                let len = self.getxattr(xattr, &mut large)?;
                large.truncate(len);
                Ok(Some(large))
            }
            Err(errno) => Err(errno),
        }
    }

    fn getxattr(self, xattr: &str, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        let path = self.proc_path();
        match self.name {
            Some(_) => rustix::fs::lgetxattr(path, xattr, buffer),
            // The descriptor's own magic link must be followed; it ends at the file even if that is a symlink.
            None => rustix::fs::getxattr(path, xattr, buffer),
        }
    }

    fn proc_path(self) -> Vec<u8> {
        let mut path = format!("/proc/self/fd/{}", self.dir.as_raw_fd()).into_bytes();
        if let Some(name) = self.name {
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
        }
        path
    }
}

/// A name in a directory, with its kind as far as the directory itself tells.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) name: OsString,
    /// `Unknown` on filesystems that do not keep it.
    pub(crate) kind: FileType,
}

/// The names in a directory, without `.` and `..`, in no order. `path` is for messages.
pub(crate) fn list(dir: BorrowedFd<'_>, path: &Path) -> Result<Vec<Name>, AccessError> {
    let failed = |source| AccessError::List { path: path.into(), source };
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(Name { name: OsString::from_vec(name.to_vec()), kind: entry.file_type() });
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_reachable() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let layer = dir.path().join("layer");
        std::fs::create_dir_all(layer.join("d"))?;
        std::fs::write(dir.path().join("outside"), b"")?;
        std::os::unix::fs::symlink("..", layer.join("up"))?;
        let root = Root::open(&layer)?;

        assert!(root.entry(Path::new(""))?.is_some_and(|entry| entry.is_dir()));
        assert!(root.entry(Path::new("d"))?.is_some());
        assert!(root.entry(Path::new("missing/deeper"))?.is_none());
        assert!(root.entry(Path::new("up"))?.is_some_and(|entry| file_type(&entry.stat) == FileType::Symlink));
        for climbing in ["../outside", "up/outside", "/etc"] {
            assert!(matches!(root.entry(Path::new(climbing)), Err(AccessError::Open { .. })), "{climbing}");
        }
        Ok(())
    }
}
