//! The walk itself: a stack of directories, each with the names still to be visited.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::change::{Base, Change, Location, Present};
use super::dir::{Dir, Upper};
use super::error::{DiffError, WalkError};
use super::frame::Frame;
use super::listing::{self, Listing, Origin, Todo};
use super::prefetch::{Prefetched, Prefetcher};
use super::stats::DiffStats;
use crate::access::AccessError;
use crate::beneath::Root;
use crate::ids::IdMap;
use crate::layer_file::LayerFile;
use crate::layers::Layers;
use crate::lower::{Lowers, Node, Part};
use crate::overlay::{self, Marker, Opacity, XattrNamespace};

/// A walk with its visitor.
pub(super) struct Walker<'a, F> {
    lowers: &'a Lowers,
    ns: XattrNamespace,
    /// Of the upperdir.
    ids: &'a IdMap,
    /// Nothing else is visited.
    part: &'a Path,
    visit: F,
    stats: DiffStats,
    stack: Vec<Frame>,
    prefetcher: Prefetcher,
    root: Root,
}

/// Directories on the way from the root that are held open; the last of them are what the walk goes on with.
const MAX_OPEN: usize = 64;

/// A file as it lies in its layer.
struct Found<'f> {
    parent: BorrowedFd<'f>,
    name: &'f OsStr,
    stat: Stat,
    location: Location<'f>,
}

type Step<E> = Result<(), WalkError<E>>;
/// The directory to enter next, if any, and its upper names.
type Child = Option<(Dir, Vec<Todo>)>;

impl<'a, F, E> Walker<'a, F>
where
    F: FnMut(Change<'_>) -> Result<(), E>,
{
    pub(super) fn new(root: Root, lowers: &'a Lowers, layers: &'a Layers, visit: F) -> Self {
        Self {
            lowers,
            ns: layers.xattr_ns,
            ids: &layers.ids,
            part: &layers.part,
            visit,
            stats: DiffStats::default(),
            stack: Vec::new(),
            prefetcher: Prefetcher::default(),
            root,
        }
    }

    pub(super) fn run(mut self) -> Result<DiffStats, WalkError<E>> {
        self.visit_root()?;
        while let Some(mut frame) = self.stack.pop() {
            self.reopen(&mut frame.dir)?;
            let Some(todo) = frame.next(&self.prefetcher) else { continue };
            let child = self.visit_name(&frame.dir, todo)?;
            self.stack.push(frame);
            if let Some((dir, names)) = child {
                self.enter(dir, names)?;
            }
        }
        Ok(self.stats)
    }

    /// A tree may be deeper than the limit of open files: directories far above are closed meanwhile.
    fn reopen(&self, dir: &mut Dir) -> Result<(), DiffError> {
        if matches!(dir.upper, Upper::Closed) {
            dir.upper = Upper::Open(self.root.open_dir(&dir.path)?.into());
        }
        Ok(())
    }

    fn visit_root(&mut self) -> Step<E> {
        let host_path = self.root.full(Path::new(""));
        let stat = stat_at(self.root.as_fd(), OsStr::new("."), &host_path)?;
        let Listing { fd: upper, names } =
            Listing::of(self.root.open_dir(Path::new("")).map_err(DiffError::from)?, &host_path)?;
        // The kernel merges the roots whatever they are marked as.
        let parts = self.lowers.root_parts();
        let base = Base { lowers: self.lowers, ns: self.ns, ids: self.ids, dir: None, name: OsStr::new(".") };
        let location = Location::Upper { host_dir: &host_path, merged: &parts };
        self.present(Path::new(""), Found { parent: upper.as_fd(), name: OsStr::new("."), stat, location }, base)?;
        self.enter(Dir::new(PathBuf::new(), host_path, Upper::Open(upper), parts.clone(), parts), names)
    }

    fn enter(&mut self, dir: Dir, upper_names: Vec<Todo>) -> Step<E> {
        let names = self.names(&dir, upper_names)?;
        self.stack.push(Frame::new(dir, names, &mut self.prefetcher));
        if let Some(far_above) = self.stack.len().checked_sub(MAX_OPEN).and_then(|index| self.stack.get_mut(index)) {
            far_above.dir.close();
        }
        Ok(())
    }

    /// What has to be visited in a directory. Where it merges with what the base shows there, only the upper names can
    /// make a difference: the walk costs as much as there are changes, however large the tree is.
    fn names(&self, dir: &Dir, mut upper: Vec<Todo>) -> Result<Vec<Todo>, DiffError> {
        let on_the_way = self.part.strip_prefix(&dir.path).ok().and_then(|rest| rest.iter().next());
        let is_wanted = |todo: &Todo| on_the_way.is_none_or(|name| todo.name == name);
        if dir.merged == dir.base {
            upper.retain(is_wanted);
            return Ok(upper);
        }
        let mut names = BTreeMap::new();
        let vanished = self.lowers.names(&dir.base)?.into_iter().map(Todo::vanished);
        let merged = self.lowers.names(&dir.merged)?.into_iter().map(Todo::lower);
        for todo in vanished.chain(merged).chain(upper).filter(is_wanted) {
            names.insert(todo.name.clone(), todo);
        }
        Ok(names.into_values().collect())
    }

    /// Visits one name; gives the directory to enter next if it is one.
    fn visit_name(&mut self, dir: &Dir, todo: Todo) -> Result<Child, WalkError<E>> {
        match (&todo.origin, dir.upper.fd()) {
            (Origin::Upper(known), Some(upper)) => {
                let asked = known.stat.unwrap_or_else(|| listing::ask_stat(upper, &todo.name));
                let stat = asked.map_err(|errno| no_stat(&dir.host_path, &todo.name, errno))?;
                self.visit_upper(dir, upper, stat, todo)
            }
            // Listed as shown, so the lookup finds it, as for a whiteout.
            (Origin::Vanished, _) => self.visit_whiteout(dir, &todo.name).map(|()| None),
            _ => self.visit_lower(dir, &todo.name),
        }
    }

    fn visit_upper(
        &mut self,
        dir: &Dir,
        upper: BorrowedFd<'_>,
        stat: Stat,
        Todo { name, listing, .. }: Todo,
    ) -> Result<Child, WalkError<E>> {
        let name = name.as_os_str();
        if overlay::is_whiteout(&stat) {
            return self.visit_whiteout(dir, name).map(|()| None);
        }
        self.check_index(dir, upper, name, &stat)?;
        let path = dir.path.join(name);
        let location = Location::Upper { host_dir: &dir.host_path, merged: &dir.merged };
        self.present(&path, Found { parent: upper, name, stat, location }, self.base(dir, name, self.ids))?;
        if overlay::file_type(&stat) != FileType::Directory {
            return Ok(None);
        }
        let host_path = dir.host_path.join(name);
        let Listing { fd, names } = match listing.and_then(Prefetched::take) {
            Some(listing) => listing?,
            None => Listing::read(upper, name, &host_path)?,
        };
        let (merged, base) = self.parts_below_upper(dir, name, &fd, &host_path)?;
        Ok(Some((Dir::new(path, host_path, Upper::Open(fd), merged, base), names)))
    }

    /// An indexed file has a second name in the index, so almost no file has to be asked.
    fn check_index(&self, dir: &Dir, upper: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> Result<(), DiffError> {
        if overlay::file_type(stat) == FileType::Directory || stat.st_nlink < 2 {
            return Ok(());
        }
        let path = dir.host_path.join(name);
        let file = LayerFile { dir: upper, name: Some(name), path: &path };
        if file.has_marker(self.ns, Marker::Nlink)? { Err(DiffError::Indexed { path }) } else { Ok(()) }
    }

    fn base<'b>(&self, dir: &'b Dir, name: &'b OsStr, ids: &'b IdMap) -> Base<'b>
    where
        'a: 'b,
    {
        Base { lowers: self.lowers, ns: self.ns, ids, dir: Some(dir), name }
    }

    fn visit_whiteout(&mut self, dir: &Dir, name: &OsStr) -> Step<E> {
        match dir.shown_by_base(self.lowers, name).map_err(DiffError::from)? {
            Some(stat) => self.deleted(&dir.path.join(name), stat),
            None => Ok(()),
        }
    }

    /// The lower directories that merge into an upper one, and those at its path in the base.
    fn parts_below_upper(
        &self,
        dir: &Dir,
        name: &OsStr,
        fd: &OwnedFd,
        host_path: &Path,
    ) -> Result<(Vec<Part>, Vec<Part>), DiffError> {
        let file = LayerFile { dir: fd.as_fd(), name: None, path: host_path };
        let base = dir_parts(self.lowers.child(&dir.base, name)?);
        let merged = if file.opacity(self.ns)? == Opacity::Opaque {
            Vec::new()
        } else if let Some(redirect) = file.redirect(self.ns)? {
            dir_parts(self.lowers.redirected_dir(&dir.merged, &redirect)?)
        } else if dir.merged == dir.base {
            base.clone()
        } else {
            dir_parts(self.lowers.child(&dir.merged, name)?)
        };
        Ok((merged, base))
    }

    /// A name that only lower layers have, in a directory that was elsewhere in the base.
    fn visit_lower(&mut self, dir: &Dir, name: &OsStr) -> Result<Child, WalkError<E>> {
        let Some(node) = self.lowers.child(&dir.merged, name).map_err(DiffError::from)? else { return Ok(None) };
        let path = dir.path.join(name);
        let (parent, lower_name) = self.lowers.open_parent(node.top()).map_err(DiffError::from)?;
        let (stat, location) = (node.entry.stat, Location::Lower(&node));
        let base = self.base(dir, name, self.lowers.ids(node.top().layer));
        self.present(&path, Found { parent: parent.as_fd(), name: lower_name, stat, location }, base)?;
        if !node.entry.is_dir() {
            return Ok(None);
        }
        let base = dir_parts(self.lowers.child(&dir.base, name).map_err(DiffError::from)?);
        let host_path = node.entry.path.clone();
        Ok(Some((Dir::new(path, host_path, Upper::None, node.parts, base), Vec::new())))
    }

    fn present(&mut self, path: &Path, found: Found<'_>, base: Base<'_>) -> Step<E> {
        if !self.is_wanted(path) {
            return Ok(());
        }
        let Found { parent, name, mut stat, location } = found;
        self.stats.count_present(&stat);
        (stat.st_uid, stat.st_gid) = base.ids.owner_in_container((stat.st_uid, stat.st_gid));
        (self.visit)(Change::Present(Present { path, parent, name, stat, location, base })).map_err(WalkError::Visit)
    }

    /// Whether it is in the part of the tree that was asked for, which is most often the whole tree.
    fn is_wanted(&self, path: &Path) -> bool {
        self.part.as_os_str().is_empty() || path.starts_with(self.part)
    }

    fn deleted(&mut self, path: &Path, stat: Stat) -> Step<E> {
        if !self.is_wanted(path) {
            return Ok(());
        }
        self.stats.deleted += 1;
        (self.visit)(Change::Deleted { path, stat }).map_err(WalkError::Visit)
    }
}

fn dir_parts(node: Option<Node>) -> Vec<Part> {
    node.map(Node::into_dir_parts).unwrap_or_default()
}

fn stat_at(dir: BorrowedFd<'_>, name: &OsStr, host_dir: &Path) -> Result<Stat, DiffError> {
    listing::ask_stat(dir, name).map_err(|source| no_stat(host_dir, name, source))
}

fn no_stat(host_dir: &Path, name: &OsStr, source: Errno) -> DiffError {
    AccessError::Stat { path: host_dir.join(name), source }.into()
}
