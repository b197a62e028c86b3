//! One layer's directory, held open, so that the kernel resolves every path beneath it (`RESOLVE_BENEATH`).
//!
//! `openat2` gets `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV` (Linux 5.6): no `..`, no symlink and no
//! mount inside a layer leads out of it. Overlayfs itself does not look into mounts inside a layer either.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::access::AccessError;
use crate::layer_file::LayerFile;
use crate::overlay::{Marker, Opacity, Redirect, XattrNamespace, file_type};

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

    /// A regular file, readable. `O_NONBLOCK`: a FIFO put in its place must not block.
    pub(crate) fn open_file(&self, inside: &Path) -> Result<OwnedFd, AccessError> {
        self.open_with(inside, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)
    }

    fn open_with(&self, inside: &Path, flags: OFlags) -> Result<OwnedFd, AccessError> {
        self.openat2(inside, flags).map_err(|source| AccessError::Open { path: self.full(inside), source })
    }

    /// The system call, for callers that tell errnos apart themselves. Paths longer than the kernel takes at once
    /// (`PATH_MAX`) are opened in pieces.
    pub(crate) fn openat2(&self, inside: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut rest = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let mut held: Option<OwnedFd> = None;
        while let Some((piece, behind)) = split_long(rest) {
            let dir = held.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            held = Some(open_beneath(dir, piece, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)?);
            rest = behind;
        }
        open_beneath(held.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd), rest, flags)
    }
}

fn open_beneath(dir: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::io::retry_on_intr(|| rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve))
}

/// Longest path that is handed to the kernel, below `PATH_MAX` (4096 with the final NUL, `linux/limits.h`).
const PIECE: usize = 4000;

/// The first piece of a path that is too long, and the rest. A name has at most 255 bytes, so there is a slash.
fn split_long(path: &Path) -> Option<(&Path, &Path)> {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.get(..PIECE)?.iter().rposition(|byte| *byte == b'/').filter(|slash| *slash > 0)?;
    let (piece, rest) = (&bytes[..slash], &bytes[slash + 1..]);
    Some((Path::new(OsStr::from_bytes(piece)), Path::new(OsStr::from_bytes(rest))))
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

    pub(crate) fn file(&self) -> LayerFile<'_> {
        LayerFile { dir: self.fd.as_fd(), name: None, path: &self.path }
    }

    pub(crate) fn opacity(&self, ns: XattrNamespace) -> Result<Opacity, AccessError> {
        self.file().opacity(ns)
    }

    pub(crate) fn redirect(&self, ns: XattrNamespace) -> Result<Option<Redirect>, AccessError> {
        self.file().redirect(ns)
    }

    pub(crate) fn has_marker(&self, ns: XattrNamespace, marker: Marker) -> Result<bool, AccessError> {
        self.file().has_marker(ns, marker)
    }
}

/// A name in a directory, with its kind as far as the directory itself tells.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) name: OsString,
    /// `Unknown` on filesystems that do not keep it.
    pub(crate) kind: FileType,
    /// Its number in the directory's filesystem.
    pub(crate) inode: u64,
}

/// The names in a directory, without `.` and `..`, in no order. `path` is for messages.
pub(crate) fn list(dir: BorrowedFd<'_>, path: &Path) -> Result<Vec<Name>, AccessError> {
    let failed = |source| AccessError::List { path: path.into(), source };
    let mut names = Vec::new();
    for entry in Dir::read_from(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let name = OsString::from_vec(name.to_vec());
            names.push(Name { name, kind: entry.file_type(), inode: entry.ino() });
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
