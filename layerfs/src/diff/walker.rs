//! The walk itself: a stack of directories, each with the names still to be visited.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::{Base, Change, DataSource, DiffError, DiffStats, Present, WalkError};
use crate::beneath::{self, AccessError, Entry, Root};
use crate::handle::Handle;
use crate::ids::IdMap;
use crate::lower::{Lowers, Node, Part};
use crate::overlay::{self, Marker, Opacity, XattrNamespace};
use crate::store::Layers;

/// A walk with its visitor.
pub(super) struct Walker<'a, F> {
    lowers: &'a Lowers,
    ns: XattrNamespace,
    /// Of the upperdir.
    ids: &'a IdMap,
    visit: F,
    stats: DiffStats,
    stack: Vec<Frame>,
}

/// A directory of the merged tree during the walk.
struct Frame {
    dir: Dir,
    todo: IntoIter<OsString, Origin>,
}

/// Where a directory of the merged tree gets its content from, and what stood in its place before.
struct Dir {
    /// Relative to the root.
    path: PathBuf,
    /// For messages.
    host_path: PathBuf,
    /// The upper directory; none below a renamed directory where only lower layers contribute.
    upper: Option<OwnedFd>,
    /// Lower directories that merge into this one: none below an opaque directory, others than `base` below a renamed.
    merged: Vec<Part>,
    /// Lower directories at the same path when there is no upper layer.
    base: Vec<Part>,
}

/// A file as it lies in its layer.
struct Found<'f> {
    parent: BorrowedFd<'f>,
    name: &'f OsStr,
    stat: Stat,
    data: DataSource,
    ids: &'f IdMap,
}

/// Where a name in a directory comes from.
#[derive(Clone, Copy)]
enum Origin {
    Upper,
    /// Merged from lower layers into a directory that was elsewhere in the base.
    Lower,
    /// Shown by the base, not by the merged tree.
    Vanished,
}

type Step<E> = Result<(), WalkError<E>>;

impl<'a, F, E> Walker<'a, F>
where
    F: FnMut(Change<'_>) -> Result<(), E>,
{
    pub(super) fn new(lowers: &'a Lowers, layers: &'a Layers, visit: F) -> Self {
        Self { lowers, ns: layers.xattr_ns, ids: &layers.ids, visit, stats: DiffStats::default(), stack: Vec::new() }
    }

    pub(super) fn run(mut self, upperdir: &Path) -> Result<DiffStats, WalkError<E>> {
        self.visit_root(upperdir)?;
        while let Some(mut frame) = self.stack.pop() {
            let Some((name, origin)) = frame.todo.next() else { continue };
            let child = self.visit_name(&frame.dir, &name, origin)?;
            self.stack.push(frame);
            if let Some(dir) = child {
                self.enter(dir)?;
            }
        }
        Ok(self.stats)
    }

    fn visit_root(&mut self, upperdir: &Path) -> Step<E> {
        let root = Root::open(upperdir).map_err(DiffError::from)?;
        let stat = stat_at(root.as_fd(), OsStr::new("."), upperdir)?;
        let upper = root.open_dir(Path::new("")).map_err(DiffError::from)?;
        // The kernel merges the roots whatever they are marked as.
        let parts = self.lowers.root_parts();
        let base = Base { lowers: self.lowers, dir: &parts, name: None };
        let found =
            Found { parent: upper.as_fd(), name: OsStr::new("."), stat, data: DataSource::Itself, ids: self.ids };
        self.present(Path::new(""), found, base)?;
        let host_path = upperdir.to_owned();
        self.enter(Dir { path: PathBuf::new(), host_path, upper: Some(upper), merged: parts.clone(), base: parts })
    }

    fn enter(&mut self, dir: Dir) -> Step<E> {
        let todo = self.names(&dir)?.into_iter();
        self.stack.push(Frame { dir, todo });
        Ok(())
    }

    /// What has to be visited in a directory. Where it merges with what the base shows there, only the upper names can
    /// make a difference; this is what keeps the walk in proportion to the changes.
    fn names(&self, dir: &Dir) -> Result<BTreeMap<OsString, Origin>, DiffError> {
        let mut names = BTreeMap::new();
        if dir.merged != dir.base {
            names.extend(self.lowers.names(&dir.base)?.into_iter().map(|name| (name, Origin::Vanished)));
            names.extend(self.lowers.names(&dir.merged)?.into_iter().map(|name| (name, Origin::Lower)));
        }
        if let Some(upper) = &dir.upper {
            let listed = beneath::list(upper.as_fd(), &dir.host_path)?;
            names.extend(listed.into_iter().map(|entry| (entry.name, Origin::Upper)));
        }
        Ok(names)
    }

    /// Visits one name; gives the directory to enter next if it is one.
    fn visit_name(&mut self, dir: &Dir, name: &OsStr, origin: Origin) -> Result<Option<Dir>, WalkError<E>> {
        match (origin, &dir.upper) {
            (Origin::Upper, Some(upper)) => self.visit_upper(dir, upper.as_fd(), name),
            // Listed as shown, so the lookup finds it, as for a whiteout.
            (Origin::Vanished, _) => self.visit_whiteout(dir, name).map(|()| None),
            _ => self.visit_lower(dir, name),
        }
    }

    fn visit_upper(&mut self, dir: &Dir, upper: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Dir>, WalkError<E>> {
        let host_path = dir.host_path.join(name);
        let stat = stat_at(upper, name, &host_path)?;
        if overlay::is_whiteout(&stat) {
            return self.visit_whiteout(dir, name).map(|()| None);
        }
        let path = dir.path.join(name);
        let base = Base { lowers: self.lowers, dir: &dir.base, name: Some(name) };
        let mut found = Found { parent: upper, name, stat, data: DataSource::Itself, ids: self.ids };
        match overlay::file_type(&stat) {
            FileType::Directory => {
                self.present(&path, found, base)?;
                return Ok(Some(self.upper_dir(dir, upper, name, path, host_path)?));
            }
            FileType::RegularFile => {
                found.data = self.upper_data(dir, Handle { dir: upper, name: Some(name), path: &host_path })?;
            }
            _ => {}
        }
        self.present(&path, found, base).map(|()| None)
    }

    fn visit_whiteout(&mut self, dir: &Dir, name: &OsStr) -> Step<E> {
        match self.lowers.child(&dir.base, name).map_err(DiffError::from)? {
            Some(node) => self.deleted(&dir.path.join(name), &node.entry),
            None => Ok(()),
        }
    }

    fn upper_dir(
        &self,
        dir: &Dir,
        upper: BorrowedFd<'_>,
        name: &OsStr,
        path: PathBuf,
        host_path: PathBuf,
    ) -> Result<Dir, DiffError> {
        let fd = open_dir_at(upper, name, &host_path)?;
        let handle = Handle { dir: fd.as_fd(), name: None, path: &host_path };
        let base = dir_parts(self.lowers.child(&dir.base, name)?);
        let merged = if handle.opacity(self.ns)? == Opacity::Opaque {
            Vec::new()
        } else if let Some(redirect) = handle.redirect(self.ns)? {
            dir_parts(self.lowers.redirected_dir(&dir.merged, &redirect)?)
        } else if dir.merged == dir.base {
            base.clone()
        } else {
            dir_parts(self.lowers.child(&dir.merged, name)?)
        };
        Ok(Dir { path, host_path, upper: Some(fd), merged, base })
    }

    fn upper_data(&self, dir: &Dir, file: Handle<'_>) -> Result<DataSource, DiffError> {
        if !file.has_marker(self.ns, Marker::Metacopy)? {
            return Ok(DataSource::Itself);
        }
        let redirect = file.redirect(self.ns)?;
        let name = file.name.unwrap_or_default();
        match self.lowers.metacopy_data(&dir.merged, name, redirect.as_ref())? {
            Some(fd) => Ok(DataSource::Lower(fd)),
            None => Err(DiffError::NoData { path: file.path.into() }),
        }
    }

    /// A name that only lower layers have, in a directory that was elsewhere in the base.
    fn visit_lower(&mut self, dir: &Dir, name: &OsStr) -> Result<Option<Dir>, WalkError<E>> {
        let Some(node) = self.lowers.child(&dir.merged, name).map_err(DiffError::from)? else { return Ok(None) };
        let path = dir.path.join(name);
        let data = self.lower_data(&node)?;
        let (parent, lower_name) = self.lowers.open_parent(node.top()).map_err(DiffError::from)?;
        let base = Base { lowers: self.lowers, dir: &dir.base, name: Some(name) };
        let ids = self.lowers.ids(node.top().layer);
        let found = Found { parent: parent.as_fd(), name: lower_name, stat: node.entry.stat, data, ids };
        self.present(&path, found, base)?;
        if !node.entry.is_dir() {
            return Ok(None);
        }
        let base = dir_parts(self.lowers.child(&dir.base, name).map_err(DiffError::from)?);
        let host_path = node.entry.path.clone();
        Ok(Some(Dir { path, host_path, upper: None, merged: node.parts, base }))
    }

    fn lower_data(&self, node: &Node) -> Result<DataSource, DiffError> {
        let is_metacopy = node.entry.is_regular() && (node.parts.len() > 1 || node.lacks_data);
        Ok(if is_metacopy { DataSource::Lower(self.lowers.open_data(node)?) } else { DataSource::Itself })
    }

    fn present(&mut self, path: &Path, found: Found<'_>, base: Base<'_>) -> Step<E> {
        let Found { parent, name, mut stat, data, ids } = found;
        match overlay::file_type(&stat) {
            FileType::Directory => self.stats.directories += 1,
            FileType::RegularFile => {
                self.stats.files += 1;
                self.stats.file_bytes += u64::try_from(stat.st_size).unwrap_or(0);
            }
            _ => self.stats.files += 1,
        }
        (stat.st_uid, stat.st_gid) = ids.owner_in_container((stat.st_uid, stat.st_gid));
        (self.visit)(Change::Present(Present { path, parent, name, stat, data, ns: self.ns, ids, base }))
            .map_err(WalkError::Visit)
    }

    fn deleted(&mut self, path: &Path, base: &Entry) -> Step<E> {
        self.stats.deleted += 1;
        (self.visit)(Change::Deleted { path, stat: base.stat }).map_err(WalkError::Visit)
    }
}

fn dir_parts(node: Option<Node>) -> Vec<Part> {
    node.map(Node::into_dir_parts).unwrap_or_default()
}

fn stat_at(dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Stat, DiffError> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|source| AccessError::Stat { path: path.into(), source }.into())
}

fn open_dir_at(dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<OwnedFd, DiffError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
        .map_err(|source| AccessError::Open { path: path.into(), source }.into())
}
