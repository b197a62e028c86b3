//! Builds in an upperdir what only an overlay can say: copied-up parents, whiteouts, opaque directories.
//!
//! The upperdir must not be mounted: an overlay caches what it looked up, so changes below a live mount are not seen,
//! or seen in part (`Documentation/filesystems/overlayfs.rst`, "Changes to underlying filesystems").
//!
//! Paths are relative to the container's root and may come from an untrusted archive. They are resolved one name at a
//! time; `..`, absolute paths and symlinks on the way are named errors.

mod copy_up;
mod deletion;
mod error;
mod socket;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timestamps, XattrFlags};
use rustix::io::Errno;

use crate::beneath::{AccessError, Root};
use crate::handle::Handle;
use crate::ids::IdMap;
use crate::lower::{Lowers, Node, Part};
use crate::overlay::{self, Marker, OPAQUE_VALUE, Opacity, XattrNamespace};
use crate::store::Layers;
pub use deletion::Deletion;
pub use error::ApplyError;
pub use socket::NodeAttributes;

/// An upperdir under construction, over its lower layers.
#[derive(Debug)]
pub struct Upperdir {
    root: Root,
    lowers: Lowers,
    ns: XattrNamespace,
    ids: IdMap,
    /// Times of directories copied up, set again by [`finish`](Self::finish).
    copied_up: BTreeMap<PathBuf, Timestamps>,
    /// The directory of the last path, since paths usually come in order.
    last: Option<(PathBuf, OpenDir)>,
}

/// A directory of the upperdir with the lower directories that show through it.
#[derive(Debug)]
struct OpenDir {
    fd: OwnedFd,
    /// Empty where an opaque directory stands between.
    lowers: Vec<Part>,
}

/// What there is of a directory.
enum Found {
    Upper(OpenDir),
    /// Nothing yet in the upperdir.
    LowerOnly(Vec<Part>),
}

/// What stands under a name in an upper directory.
enum Standing {
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

    /// Makes `path` exist as a directory of the upperdir.
    ///
    /// Each missing component gets owner, mode and xattrs of the lower directory it hides, or 0755 of the effective
    /// user where no lower layer shows one; the times follow in [`finish`](Self::finish). A whiteout in the way becomes
    /// an opaque directory, as by mkdir(2) on the mounted overlay. Times of directories that were there are kept.
    ///
    /// # Errors
    /// [`ApplyError::UnsafePath`], [`ApplyError::Symlink`], [`ApplyError::NotADirectory`] for a path that is none;
    /// [`ApplyError::Change`] when the kernel refuses.
    pub fn copy_up_dir(&mut self, path: &Path) -> Result<(), ApplyError> {
        let names = names_of(path)?;
        let dir = self.make_dirs(&names)?;
        self.last = Some((names.iter().collect(), dir));
        Ok(())
    }

    /// Leaves the times of this directory alone in [`finish`](Self::finish): the caller has set them, or will.
    pub fn keep_times_of(&mut self, path: &Path) {
        self.copied_up.remove(path);
    }

    /// Whether the merged tree has anything at `path`.
    ///
    /// # Errors
    /// As [`copy_up_dir`](Self::copy_up_dir), where a directory on the way is none.
    pub fn shows(&self, path: &Path) -> Result<bool, ApplyError> {
        let names = names_of(path)?;
        let Some((name, parents)) = names.split_last() else { return Ok(true) };
        let in_lower = |lowers: &[Part]| Ok(self.lowers.child(lowers, name)?.is_some());
        match self.find(parents)? {
            Found::LowerOnly(lowers) => in_lower(&lowers),
            Found::Upper(dir) => match self.standing(dir.fd.as_fd(), path, name)? {
                Standing::Nothing => in_lower(&dir.lowers),
                Standing::Whiteout => Ok(false),
                Standing::Directory | Standing::Symlink | Standing::Other => Ok(true),
            },
        }
    }

    /// Sets the times of the directories that were copied up, deepest first, so call it when everything in them exists.
    ///
    /// # Errors
    /// [`ApplyError::Change`] naming the directory whose times cannot be set.
    pub fn finish(self) -> Result<(), ApplyError> {
        for (path, times) in self.copied_up.iter().rev() {
            let fd = self.root.open_dir(path)?;
            rustix::fs::futimens(&fd, times).map_err(self.refused("set the times of", path))?;
        }
        Ok(())
    }

    fn take_last(&mut self, names: &[OsString]) -> Option<OpenDir> {
        let (path, dir) = self.last.take()?;
        path.iter().eq(names).then_some(dir)
    }

    fn mark_opaque(&self, fd: &OwnedFd, path: &Path) -> Result<(), ApplyError> {
        rustix::fs::fsetxattr(fd, self.ns.name(Marker::Opaque), OPAQUE_VALUE, XattrFlags::empty())
            .map_err(self.refused("make opaque", path))
    }

    /// Follows the names through the upperdir, and through the lower layers alone where that ends.
    fn find(&self, names: &[OsString]) -> Result<Found, ApplyError> {
        let mut found = Found::Upper(self.open_root()?);
        let mut path = PathBuf::new();
        for name in names {
            path.push(name);
            found = match found {
                Found::Upper(dir) => self.find_in_upper(&dir, &path, name)?,
                Found::LowerOnly(lowers) => Found::LowerOnly(lower_dir(self.lowers.child(&lowers, name)?, &path)?),
            };
        }
        Ok(found)
    }

    fn find_in_upper(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<Found, ApplyError> {
        match self.standing(dir.fd.as_fd(), path, name)? {
            Standing::Directory => self.enter_upper(dir, path, name).map(Found::Upper),
            Standing::Nothing => Ok(Found::LowerOnly(lower_dir(self.lowers.child(&dir.lowers, name)?, path)?)),
            Standing::Symlink => Err(ApplyError::Symlink { path: path.into() }),
            Standing::Whiteout | Standing::Other => Ok(Found::LowerOnly(Vec::new())),
        }
    }

    fn make_dirs(&mut self, names: &[OsString]) -> Result<OpenDir, ApplyError> {
        let mut dir = self.open_root()?;
        let mut path = PathBuf::new();
        for name in names {
            path.push(name);
            dir = match self.standing(dir.fd.as_fd(), &path, name)? {
                Standing::Directory => self.enter_upper(&dir, &path, name)?,
                Standing::Nothing => self.copy_up(&dir, &path, name)?,
                Standing::Whiteout => self.replace_whiteout(&dir, &path, name)?,
                Standing::Symlink => return Err(ApplyError::Symlink { path }),
                Standing::Other => return Err(ApplyError::NotADirectory { path }),
            };
        }
        Ok(dir)
    }

    fn open_root(&self) -> Result<OpenDir, ApplyError> {
        Ok(OpenDir { fd: self.root.open_dir(Path::new(""))?, lowers: self.lowers.root_parts() })
    }

    fn enter_upper(&self, dir: &OpenDir, path: &Path, name: &OsStr) -> Result<OpenDir, ApplyError> {
        let fd = self.open_upper(dir.fd.as_fd(), path, name)?;
        let handle = Handle { dir: fd.as_fd(), name: None, path };
        let lowers = if handle.opacity(self.ns)? == Opacity::Opaque {
            Vec::new()
        } else {
            self.lowers.child(&dir.lowers, name)?.map(Node::into_dir_parts).unwrap_or_default()
        };
        Ok(OpenDir { fd, lowers })
    }

    fn open_upper(&self, dir: BorrowedFd<'_>, path: &Path, name: &OsStr) -> Result<OwnedFd, ApplyError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(dir, name, flags, Mode::empty())
            .map_err(|source| AccessError::Open { path: self.root.full(path), source }.into())
    }

    fn standing(&self, dir: BorrowedFd<'_>, path: &Path, name: &OsStr) -> Result<Standing, ApplyError> {
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

    /// Runs a change in a directory and gives the directory its times back, whoever set them.
    fn keeping_times(
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

    fn refused<'p>(&'p self, operation: &'static str, path: &'p Path) -> impl Fn(Errno) -> ApplyError + 'p {
        move |source| ApplyError::Change { operation, path: self.root.full(path), source }
    }
}

/// The names of a plain relative path.
fn names_of(path: &Path) -> Result<Vec<OsString>, ApplyError> {
    let name = |component| match component {
        Component::Normal(name) => Some(Ok(name.to_owned())),
        Component::CurDir => None,
        _ => Some(Err(ApplyError::UnsafePath { path: path.into() })),
    };
    path.components().filter_map(name).collect()
}

/// The parts of a lower directory on the way to a path; symlinks there are an error, as in the upperdir.
fn lower_dir(node: Option<Node>, path: &Path) -> Result<Vec<Part>, ApplyError> {
    match node {
        Some(node) if overlay::file_type(&node.entry.stat) == FileType::Symlink => {
            Err(ApplyError::Symlink { path: path.into() })
        }
        node => Ok(node.map(Node::into_dir_parts).unwrap_or_default()),
    }
}

fn times_of(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| rustix::fs::Timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
