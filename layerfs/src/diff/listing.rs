//! An upper directory with its names, and what the filesystem says of them.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::error::DiffError;
use super::prefetch::{Prefetched, Weight};
use crate::access::AccessError;
use crate::beneath::{self, Name};
use crate::overlay;

/// Names that are asked for at once.
pub(super) const BLOCK: usize = 1024;

/// A name still to be visited.
pub(super) struct Todo {
    pub(super) name: OsString,
    pub(super) origin: Origin,
    /// Of an upper directory.
    pub(super) listing: Option<Prefetched<Option<Result<Listing, DiffError>>>>,
}

/// Where a name in a directory comes from.
pub(super) enum Origin {
    Upper(UpperName),
    /// Merged from lower layers into a directory that was elsewhere in the base.
    Lower,
    /// Shown by the base, not by the merged tree.
    Vanished,
}

/// What is known of an upper name.
pub(super) struct UpperName {
    pub(super) kind: FileType,
    inode: u64,
    /// Where it was asked for already.
    pub(super) stat: Option<rustix::io::Result<Stat>>,
}

impl Todo {
    pub(super) fn lower(name: OsString) -> Self {
        Self { name, origin: Origin::Lower, listing: None }
    }

    pub(super) fn vanished(name: OsString) -> Self {
        Self { name, origin: Origin::Vanished, listing: None }
    }
}

impl From<Name> for Todo {
    fn from(Name { name, kind, inode }: Name) -> Self {
        Self { name, origin: Origin::Upper(UpperName { kind, inode, stat: None }), listing: None }
    }
}

/// A directory of the upper layer, opened.
pub(super) struct Listing {
    pub(super) fd: Arc<OwnedFd>,
    /// In byte order; the first block of them is asked for.
    pub(super) names: Vec<Todo>,
}

impl Listing {
    /// `path` is for messages.
    pub(super) fn read(parent: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Self, DiffError> {
        let mut listing = Self::of(open_dir_at(parent, name, path)?, path)?;
        let block = listing.names.len().min(BLOCK);
        ask_stats(listing.fd.as_fd(), &mut listing.names[..block]);
        Ok(listing)
    }

    pub(super) fn of(fd: OwnedFd, path: &Path) -> Result<Self, DiffError> {
        let mut names: Vec<_> = beneath::list(fd.as_fd(), path)?.into_iter().map(Todo::from).collect();
        names.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { fd: Arc::new(fd), names })
    }
}

/// A descriptor is open for each.
impl Weight for Option<Result<Listing, DiffError>> {
    fn weight(&self) -> usize {
        64 + self.as_ref().and_then(|read| read.as_ref().ok()).map_or(0, |listing| listing.names.len())
    }
}

impl Weight for Vec<Todo> {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// Asks for the `stat` of every upper name, which is most of a walk's work. All whiteouts are links to one file
/// (`ovl_whiteout` in `fs/overlayfs/dir.c`), so one answer serves for them all.
pub(super) fn ask_stats(dir: BorrowedFd<'_>, names: &mut [Todo]) {
    let mut whiteout: Option<Stat> = None;
    for Todo { name, origin, .. } in names {
        let Origin::Upper(UpperName { kind, inode, stat: stat @ None }) = origin else { continue };
        let known = whiteout.filter(|known| *kind == FileType::CharacterDevice && known.st_ino == *inode);
        let asked = known.map_or_else(|| ask_stat(dir, name), Ok);
        whiteout = asked.ok().filter(overlay::is_whiteout).or(whiteout);
        *stat = Some(asked);
    }
}

pub(super) fn ask_stat(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn open_dir_at(dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<OwnedFd, DiffError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
        .map_err(|source| AccessError::Open { path: path.into(), source }.into())
}
