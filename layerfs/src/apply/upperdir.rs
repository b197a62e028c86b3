//! An upperdir, one directory at a time: what stands under a name, and how a directory keeps its times.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::error::ApplyError;
use crate::access::AccessError;
use crate::beneath::Root;
use crate::ids::IdMap;
use crate::layer_file::LayerFile;
use crate::layers::Layers;
use crate::lower::{Lowers, Node, Part};
use crate::overlay::{self, Marker, OPAQUE_VALUE, Opacity, XattrNamespace};

/// An upperdir that is being written, over its lower layers.
#[derive(Debug)]
pub struct Upperdir {
    pub(super) root: Root,
    pub(super) lowers: Lowers,
    pub(super) ns: XattrNamespace,
    pub(super) ids: IdMap,
    /// Times of directories copied up, set again by [`finish`](Self::finish).
    pub(super) copied_up: BTreeMap<PathBuf, Timestamps>,
    /// The directory of the last path, since paths usually come in order.
    pub(super) last: Option<(PathBuf, OpenDir)>,
}

/// A directory of the upperdir with the lower directories that show through it.
#[derive(Debug)]
pub(super) struct OpenDir {
    pub(super) fd: OwnedFd,
    /// Empty where an opaque directory stands between.
    pub(super) lowers: Vec<Part>,
}

/// What stands under a name in an upper directory.
pub(super) enum Standing {
    Nothing,
    Whiteout,
    Directory,
    Symlink,
    Other,
}

impl Upperdir {
    /// Opens the upperdir and all lower layers.
    ///
    /// # Errors
    /// [`ApplyError::Access`] or [`ApplyError::Lower`] naming the directory that cannot be opened.
    pub fn open(layers: &Layers) -> Result<Self, ApplyError> {
        let root = Root::open(&layers.upperdir)?;
        let lowers = Lowers::open(layers)?;
        Ok(Self { root, lowers, ns: layers.xattr_ns, ids: layers.ids.clone(), copied_up: BTreeMap::new(), last: None })
    }

    pub(super) fn take_last(&mut self, names: &[OsString]) -> Option<OpenDir> {
        let (path, dir) = self.last.take()?;
        path.iter().eq(names).then_some(dir)
    }

    pub(super) fn open_root(&self) -> Result<OpenDir, ApplyError> {
        Ok(OpenDir { fd: self.root.open_dir(Path::new(""))?, lowers: self.lowers.root_parts() })
    }

    pub(super) fn enter_upper(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<OpenDir, ApplyError> {
        let fd = self.open_upper(dir.fd.as_fd(), path, name)?;
        let file = LayerFile { dir: fd.as_fd(), name: None, path };
        let lowers = if file.opacity(self.ns)? == Opacity::Opaque {
            Vec::new()
        } else {
            self.lowers.child(&dir.lowers, name)?.map(Node::into_dir_parts).unwrap_or_default()
        };
        Ok(OpenDir { fd, lowers })
    }

    pub(super) fn open_upper(&self, dir: BorrowedFd<'_>, path: &Path, name: &OsStr) -> Result<OwnedFd, ApplyError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(dir, name, flags, Mode::empty())
            .map_err(|source| AccessError::Open { path: self.root.full(path), source }.into())
    }

    pub(super) fn standing(&self, dir: BorrowedFd<'_>, path: &Path, name: &OsStr) -> Result<Standing, ApplyError> {
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Standing::Nothing),
            Err(source) => return Err(AccessError::Stat { path: self.root.full(path), source }.into()),
        };
        Ok(match overlay::file_type(&stat) {
            FileType::Directory => Standing::Directory,
            FileType::Symlink => Standing::Symlink,
            _ if overlay::is_whiteout(&stat) => Standing::Whiteout,
            _ => Standing::Other,
        })
    }

    pub(super) fn mark_opaque(&self, fd: &OwnedFd, path: &Path) -> Result<(), ApplyError> {
        rustix::fs::fsetxattr(fd, self.ns.name(Marker::Opaque), OPAQUE_VALUE, XattrFlags::empty())
            .map_err(self.refused("make opaque", path))
    }

    /// Runs a change in a directory and gives the directory its times back, whoever set them.
    pub(super) fn keeping_times(
        &self,
        dir: &OwnedFd,
        path: &Path,
        change: impl FnOnce() -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let parent = path.parent().unwrap_or(path);
        let stat =
            rustix::fs::fstat(dir).map_err(|source| AccessError::Stat { path: self.root.full(parent), source })?;
        change()?;
        rustix::fs::futimens(dir, &times_of(&stat)).map_err(self.refused("restore the times of", parent))
    }

    pub(super) fn refused<'p>(&'p self, operation: &'static str, path: &'p Path) -> impl Fn(Errno) -> ApplyError + 'p {
        move |source| ApplyError::Change { operation, path: self.root.full(path), source }
    }
}

/// The names of a plain relative path.
pub(super) fn names_of(path: &Path) -> Result<Vec<OsString>, ApplyError> {
    let name = |component| match component {
        Component::Normal(name) => Some(Ok(name.to_owned())),
        Component::CurDir => None,
        _ => Some(Err(ApplyError::UnsafePath { path: path.into() })),
    };
    path.components().filter_map(name).collect()
}

pub(super) fn times_of(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| rustix::fs::Timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
