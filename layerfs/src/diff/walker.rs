//! The walk itself: a stack of directories, each with the names still to be visited.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{Base, Change, DiffError, DiffStats, Place, Present, WalkError};
use crate::beneath::{self, AccessError, Root};
use crate::handle::Handle;
use crate::ids::IdMap;
use crate::lower::{LowerError, Lowers, Node, OpenParts, Part};
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
    root: Root,
}

/// A directory of the merged tree during the walk.
struct Frame {
    dir: Dir,
    todo: std::vec::IntoIter<Todo>,
    /// How many of the next names were asked for already, or are few enough to be asked for one by one.
    asked: usize,
}

impl Frame {
    fn next(&mut self) -> Option<Todo> {
        if self.asked == 0 {
            let names = self.todo.as_mut_slice();
            let block = names.len().min(BLOCK);
            if let Some(upper) = self.dir.upper.fd().filter(|_| block >= MANY_NAMES) {
                ask_stats(upper, &mut names[..block]);
            }
            self.asked = block;
        }
        self.asked = self.asked.saturating_sub(1);
        self.todo.next()
    }
}

/// A name still to be visited.
struct Todo {
    name: OsString,
    origin: Origin,
    /// Of an upper name, where it was asked for already.
    stat: Option<rustix::io::Result<Stat>>,
}

/// Directories on the way from the root that are held open; the last of them are what the walk goes on with.
const MAX_OPEN: usize = 64;

/// The upper part of a directory.
#[derive(Debug)]
enum Upper {
    /// There is none: below a renamed directory where only lower layers contribute.
    None,
    Open(OwnedFd),
    /// To be opened again.
    Closed,
}

impl Upper {
    fn close(&mut self) {
        if matches!(self, Self::Open(_)) {
            *self = Self::Closed;
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Open(fd) => Some(fd.as_fd()),
            Self::None | Self::Closed => None,
        }
    }
}

/// Where a directory of the merged tree gets its content from, and what stood in its place before.
#[derive(Debug)]
pub(super) struct Dir {
    /// Relative to the root.
    path: PathBuf,
    /// For messages.
    host_path: PathBuf,
    upper: Upper,
    /// Lower directories that merge into this one: none below an opaque directory, others than `base` below a renamed.
    merged: Vec<Part>,
    /// Lower directories at the same path when there is no upper layer.
    base: Vec<Part>,
    /// The same, opened at the first question.
    open_base: OnceCell<OpenParts>,
}

impl Dir {
    fn new(path: PathBuf, host_path: PathBuf, upper: Upper, merged: Vec<Part>, base: Vec<Part>) -> Self {
        Self { path, host_path, upper, merged, base, open_base: OnceCell::new() }
    }

    /// What the lower layers alone show in place of `name`.
    pub(super) fn shown_by_base(&self, lowers: &Lowers, name: &OsStr) -> Result<Option<Stat>, LowerError> {
        if self.base.is_empty() {
            return Ok(None);
        }
        let open = match self.open_base.get() {
            Some(open) => open,
            None => {
                let open = lowers.open_parts(&self.base)?;
                self.open_base.get_or_init(|| open)
            }
        };
        lowers.shown(open, name)
    }

    fn close(&mut self) {
        self.upper.close();
        self.open_base.take();
    }
}

/// A file as it lies in its layer.
struct Found<'f> {
    parent: BorrowedFd<'f>,
    name: &'f OsStr,
    stat: Stat,
    place: Place<'f>,
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
    pub(super) fn new(root: Root, lowers: &'a Lowers, layers: &'a Layers, visit: F) -> Self {
        Self {
            lowers,
            ns: layers.xattr_ns,
            ids: &layers.ids,
            visit,
            stats: DiffStats::default(),
            stack: Vec::new(),
            root,
        }
    }

    pub(super) fn run(mut self) -> Result<DiffStats, WalkError<E>> {
        self.visit_root()?;
        while let Some(mut frame) = self.stack.pop() {
            self.reopen(&mut frame.dir)?;
            let Some(Todo { name, origin, stat }) = frame.next() else { continue };
            let child = self.visit_name(&frame.dir, &name, origin, stat)?;
            self.stack.push(frame);
            if let Some(dir) = child {
                self.enter(dir)?;
            }
        }
        Ok(self.stats)
    }

    /// A tree may be deeper than the limit of open files: directories far above are closed meanwhile.
    fn reopen(&self, dir: &mut Dir) -> Result<(), DiffError> {
        if matches!(dir.upper, Upper::Closed) {
            dir.upper = Upper::Open(self.root.open_dir(&dir.path)?);
        }
        Ok(())
    }

    fn visit_root(&mut self) -> Step<E> {
        let host_path = self.root.full(Path::new(""));
        let stat = stat_at(self.root.as_fd(), OsStr::new("."), &host_path)?;
        let upper = self.root.open_dir(Path::new("")).map_err(DiffError::from)?;
        // The kernel merges the roots whatever they are marked as.
        let parts = self.lowers.root_parts();
        let base = Base { lowers: self.lowers, ns: self.ns, ids: self.ids, dir: None, name: OsStr::new(".") };
        let place = Place::Upper { host_dir: &host_path, merged: &parts };
        self.present(Path::new(""), Found { parent: upper.as_fd(), name: OsStr::new("."), stat, place }, base)?;
        let upper = Upper::Open(upper);
        self.enter(Dir::new(PathBuf::new(), host_path, upper, parts.clone(), parts))
    }

    fn enter(&mut self, dir: Dir) -> Step<E> {
        let todo = self.names(&dir)?.into_iter();
        self.stack.push(Frame { dir, todo, asked: 0 });
        if let Some(far_above) = self.stack.len().checked_sub(MAX_OPEN).and_then(|index| self.stack.get_mut(index)) {
            far_above.dir.close();
        }
        Ok(())
    }

    /// What has to be visited in a directory. Where it merges with what the base shows there, only the upper names can
    /// make a difference; this is what keeps the walk in proportion to the changes.
    fn names(&self, dir: &Dir) -> Result<Vec<Todo>, DiffError> {
        let todo = |origin| move |name| Todo { name, origin, stat: None };
        let mut upper = Vec::new();
        if let Some(fd) = dir.upper.fd() {
            upper.extend(
                beneath::list(fd, &dir.host_path)?.into_iter().map(|entry| entry.name).map(todo(Origin::Upper)),
            );
        }
        if dir.merged == dir.base {
            upper.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            return Ok(upper);
        }
        let mut names = BTreeMap::new();
        let vanished = self.lowers.names(&dir.base)?.into_iter().map(todo(Origin::Vanished));
        let merged = self.lowers.names(&dir.merged)?.into_iter().map(todo(Origin::Lower));
        for todo in vanished.chain(merged).chain(upper) {
            names.insert(todo.name.clone(), todo);
        }
        Ok(names.into_values().collect())
    }

    /// Visits one name; gives the directory to enter next if it is one.
    fn visit_name(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        origin: Origin,
        stat: Option<rustix::io::Result<Stat>>,
    ) -> Result<Option<Dir>, WalkError<E>> {
        match (origin, dir.upper.fd()) {
            (Origin::Upper, Some(upper)) => self.visit_upper(dir, upper, name, stat),
            // Listed as shown, so the lookup finds it, as for a whiteout.
            (Origin::Vanished, _) => self.visit_whiteout(dir, name).map(|()| None),
            _ => self.visit_lower(dir, name),
        }
    }

    fn visit_upper(
        &mut self,
        dir: &Dir,
        upper: BorrowedFd<'_>,
        name: &OsStr,
        stat: Option<rustix::io::Result<Stat>>,
    ) -> Result<Option<Dir>, WalkError<E>> {
        let stat =
            stat.unwrap_or_else(|| ask_stat(upper, name)).map_err(|errno| no_stat(&dir.host_path, name, errno))?;
        if overlay::is_whiteout(&stat) {
            return self.visit_whiteout(dir, name).map(|()| None);
        }
        self.check_index(dir, upper, name, &stat)?;
        let path = dir.path.join(name);
        let place = Place::Upper { host_dir: &dir.host_path, merged: &dir.merged };
        self.present(&path, Found { parent: upper, name, stat, place }, self.base(dir, name, self.ids))?;
        match overlay::file_type(&stat) {
            FileType::Directory => Ok(Some(self.upper_dir(dir, upper, name, path)?)),
            _ => Ok(None),
        }
    }

    /// An indexed file has a second name in the index, so almost none has to be asked.
    fn check_index(&self, dir: &Dir, upper: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> Result<(), DiffError> {
        if overlay::file_type(stat) == FileType::Directory || stat.st_nlink < 2 {
            return Ok(());
        }
        let path = dir.host_path.join(name);
        let file = Handle { dir: upper, name: Some(name), path: &path };
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

    fn upper_dir(&self, dir: &Dir, upper: BorrowedFd<'_>, name: &OsStr, path: PathBuf) -> Result<Dir, DiffError> {
        let host_path = dir.host_path.join(name);
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
        Ok(Dir::new(path, host_path, Upper::Open(fd), merged, base))
    }

    /// A name that only lower layers have, in a directory that was elsewhere in the base.
    fn visit_lower(&mut self, dir: &Dir, name: &OsStr) -> Result<Option<Dir>, WalkError<E>> {
        let Some(node) = self.lowers.child(&dir.merged, name).map_err(DiffError::from)? else { return Ok(None) };
        let path = dir.path.join(name);
        let (parent, lower_name) = self.lowers.open_parent(node.top()).map_err(DiffError::from)?;
        let (stat, place) = (node.entry.stat, Place::Lower(&node));
        let base = self.base(dir, name, self.lowers.ids(node.top().layer));
        self.present(&path, Found { parent: parent.as_fd(), name: lower_name, stat, place }, base)?;
        if !node.entry.is_dir() {
            return Ok(None);
        }
        let base = dir_parts(self.lowers.child(&dir.base, name).map_err(DiffError::from)?);
        let host_path = node.entry.path.clone();
        Ok(Some(Dir::new(path, host_path, Upper::None, node.parts, base)))
    }

    fn present(&mut self, path: &Path, found: Found<'_>, base: Base<'_>) -> Step<E> {
        let Found { parent, name, mut stat, place } = found;
        match overlay::file_type(&stat) {
            FileType::Directory => self.stats.directories += 1,
            FileType::RegularFile => {
                self.stats.files += 1;
                self.stats.file_bytes += u64::try_from(stat.st_size).unwrap_or(0);
            }
            _ => self.stats.files += 1,
        }
        (stat.st_uid, stat.st_gid) = base.ids.owner_in_container((stat.st_uid, stat.st_gid));
        (self.visit)(Change::Present(Present { path, parent, name, stat, place, base })).map_err(WalkError::Visit)
    }

    fn deleted(&mut self, path: &Path, stat: Stat) -> Step<E> {
        self.stats.deleted += 1;
        (self.visit)(Change::Deleted { path, stat }).map_err(WalkError::Visit)
    }
}

fn dir_parts(node: Option<Node>) -> Vec<Part> {
    node.map(Node::into_dir_parts).unwrap_or_default()
}

fn stat_at(dir: BorrowedFd<'_>, name: &OsStr, host_dir: &Path) -> Result<Stat, DiffError> {
    ask_stat(dir, name).map_err(|source| no_stat(host_dir, name, source))
}

fn ask_stat(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn no_stat(host_dir: &Path, name: &OsStr, source: Errno) -> DiffError {
    AccessError::Stat { path: host_dir.join(name), source }.into()
}

/// Names of one directory from which on they are shared among threads: below, starting those costs more than it saves.
const MANY_NAMES: usize = 512;

/// Names that are asked for at once: what is known of them is kept in memory, some 200 bytes each.
const BLOCK: usize = 4096;

/// What the filesystem has to be asked for most: the `stat` of every upper name, by as many threads as there are cores.
fn ask_stats(dir: BorrowedFd<'_>, names: &mut [Todo]) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let ask = |names: &mut [Todo]| {
        let upper = names.iter_mut().filter(|todo| matches!(todo.origin, Origin::Upper));
        upper.for_each(|todo| todo.stat = Some(ask_stat(dir, &todo.name)));
    };
    let share = names.len().div_ceil(threads).max(1);
    let (own, others) = names.split_at_mut(share.min(names.len()));
    std::thread::scope(|scope| {
        for names in others.chunks_mut(share) {
            scope.spawn(move || ask(names));
        }
        ask(own);
    });
}

fn open_dir_at(dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<OwnedFd, DiffError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
        .map_err(|source| AccessError::Open { path: path.into(), source }.into())
}
