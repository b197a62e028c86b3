//! What the lower layers show, together, without the upper one.
//!
//! A directory of the merged lower tree is a list of [`Part`]s, one per layer that contributes to it, top first. Looking
//! up a name in it goes through the parts as the kernel does (`ovl_lookup` in `fs/overlayfs/namei.c`): a whiteout ends
//! the search, an opaque directory is the last part, a file below a directory ends it too, and a redirect changes what
//! the layers further down are asked for.

mod names;
mod probe;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

use crate::beneath::{AccessError, Entry, Root};
use crate::ids::IdMap;
use crate::overlay::{self, Redirect, XattrNamespace};
use crate::store::Layers;
use probe::Search;

/// A lookup through the lower layers failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A layer could not be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The path is absolute, or has a `..`.
    #[error("{} is not a plain path below the root", path.display())]
    UnsafePath {
        /// The path as given.
        path: PathBuf,
    },
    /// A metacopy file has no data in any layer below it.
    #[error("{} is a metacopy file, but no layer below it has its data", path.display())]
    NoData {
        /// The metacopy file.
        path: PathBuf,
    },
}

/// The lower layers, opened.
#[derive(Debug)]
pub struct Lowers {
    /// The layers that merge, top first, then the data-only ones.
    layers: Vec<Root>,
    /// How many of them merge.
    merging: usize,
    ns: XattrNamespace,
    /// Of the layers, as far as they shift owners.
    ids: Vec<IdMap>,
}

/// One layer's contribution to a directory, or the place of a file in its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) layer: usize,
    pub(crate) path: PathBuf,
}

/// A directory of the merged lower tree, opened to be asked for many names.
#[derive(Debug)]
pub(crate) enum OpenParts {
    Open {
        dirs: Vec<OwnedFd>,
        parts: Vec<Part>,
    },
    /// Too many to hold open.
    Closed {
        parts: Vec<Part>,
    },
}

impl OpenParts {
    fn parts(&self) -> &[Part] {
        match self {
            Self::Open { parts, .. } | Self::Closed { parts } => parts,
        }
    }
}

/// Parts of a directory that are held open; the walk holds some 64 directories.
const MAX_OPEN_PARTS: usize = 6;

/// What a name in the merged lower tree stands for.
#[derive(Debug)]
pub(crate) struct Node {
    /// Directory: all contributions, top first. Metacopy file: the files on the way to the data, which is last.
    /// Any other: the one file. Never empty.
    pub(crate) parts: Vec<Part>,
    /// The topmost part itself.
    pub(crate) entry: Entry,
    /// Whether the last part is still a metacopy file, so that the data is nowhere.
    pub(crate) lacks_data: bool,
}

impl Node {
    pub(crate) fn top(&self) -> &Part {
        &self.parts[0]
    }

    /// The contributions to a directory; none if it is not one.
    pub(crate) fn into_dir_parts(self) -> Vec<Part> {
        if self.entry.is_dir() { self.parts } else { Vec::new() }
    }
}

/// A file or directory as the lower layers show it.
#[derive(Debug)]
pub struct LowerEntry {
    /// Which of [`Layers::lowerdirs`] it comes from, the topmost for a directory that several contribute to.
    pub layer: usize,
    /// Its path within that layer; differs from the path looked up where the layers hold redirects.
    pub path: PathBuf,
    /// An `O_PATH` descriptor.
    pub fd: OwnedFd,
    /// Its metadata.
    pub stat: Stat,
}

impl Lowers {
    /// Opens all lower layers.
    ///
    /// # Errors
    /// [`LowerError::Access`] naming the layer that cannot be opened.
    pub fn open(layers: &Layers) -> Result<Self, LowerError> {
        let all = layers.lowerdirs.iter().chain(&layers.data_only_lowerdirs);
        let roots = all.map(|path| Root::open(path)).collect::<Result<_, _>>()?;
        let (merging, ids) = (layers.lowerdirs.len(), layers.lower_ids.clone());
        Ok(Self { layers: roots, merging, ns: layers.xattr_ns, ids })
    }

    /// What the lower layers show at `path` (relative to the root; empty for the root itself), `None` if nothing.
    /// Symlinks are never followed: behind one there is nothing.
    ///
    /// # Errors
    /// [`LowerError::UnsafePath`] for absolute paths and `..`; [`LowerError::Access`] when a layer cannot be read.
    pub fn lookup(&self, path: &Path) -> Result<Option<LowerEntry>, LowerError> {
        let Some(node) = self.node(path)? else { return Ok(None) };
        let Part { layer, path } = node.top().clone();
        Ok(Some(LowerEntry { layer, path, fd: node.entry.fd, stat: node.entry.stat }))
    }

    /// Where a part is, on the host.
    pub(crate) fn full(&self, part: &Part) -> PathBuf {
        self.layers[part.layer].full(&part.path)
    }

    /// How a layer's owners differ from what the container sees.
    pub(crate) fn ids(&self, layer: usize) -> &IdMap {
        static SAME: IdMap = IdMap { uids: Vec::new(), gids: Vec::new() };
        self.ids.get(layer).unwrap_or(&SAME)
    }

    pub(crate) fn node(&self, path: &Path) -> Result<Option<Node>, LowerError> {
        let mut node = self.root_node()?;
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                _ => return Err(LowerError::UnsafePath { path: path.into() }),
            };
            let Some(dir) = node else { return Ok(None) };
            node = self.child(&dir.into_dir_parts(), name)?;
        }
        Ok(node)
    }

    pub(crate) fn root_node(&self) -> Result<Option<Node>, LowerError> {
        let Some(top) = self.layers[..self.merging].first() else { return Ok(None) };
        let entry = top.entry(Path::new(""))?;
        Ok(entry.map(|entry| Node { parts: self.root_parts(), entry, lacks_data: false }))
    }

    /// The root directory: every merging layer contributes, whatever its root is marked as.
    pub(crate) fn root_parts(&self) -> Vec<Part> {
        (0..self.merging).map(|layer| Part { layer, path: PathBuf::new() }).collect()
    }

    /// Looks up a name in the directory made of `dir`'s parts.
    pub(crate) fn child(&self, dir: &[Part], name: &OsStr) -> Result<Option<Node>, LowerError> {
        Search::sibling(self, dir.to_vec(), name).run()
    }

    /// The `stat` of what [`child`](Self::child) would find: of the first part that has the name, unless as a whiteout.
    pub(crate) fn shown(&self, dir: &OpenParts, name: &OsStr) -> Result<Option<Stat>, LowerError> {
        let OpenParts::Open { dirs, parts } = dir else { return self.shown_by_path(dir.parts(), name) };
        for (fd, part) in dirs.iter().zip(parts) {
            match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                Err(source) => {
                    let path = self.layers[part.layer].full(&part.path.join(name));
                    return Err(AccessError::Stat { path, source }.into());
                }
                Ok(stat) if overlay::is_whiteout(&stat) => return Ok(None),
                // Its xattrs decide.
                Ok(stat) if overlay::may_be_xattr_whiteout(&stat) => return self.shown_by_path(parts, name),
                Ok(stat) => return Ok(Some(stat)),
            }
        }
        Ok(None)
    }

    fn shown_by_path(&self, dir: &[Part], name: &OsStr) -> Result<Option<Stat>, LowerError> {
        Ok(self.child(dir, name)?.map(|node| node.entry.stat))
    }

    /// Opens the directories of `parts` for [`shown`](Self::shown), if they are few.
    pub(crate) fn open_parts(&self, parts: &[Part]) -> Result<OpenParts, LowerError> {
        let parts = parts.to_vec();
        if parts.len() > MAX_OPEN_PARTS {
            return Ok(OpenParts::Closed { parts });
        }
        let dirs = parts.iter().map(|part| self.layers[part.layer].open_dir(&part.path)).collect::<Result<_, _>>()?;
        Ok(OpenParts::Open { dirs, parts })
    }

    /// What an upper directory with this redirect, in a directory made of `dir`'s parts, merges with.
    pub(crate) fn redirected_dir(&self, dir: &[Part], redirect: &Redirect) -> Result<Option<Node>, LowerError> {
        Search::redirected(self, dir, redirect).below_directory().run()
    }

    /// The data of an upper metacopy file called `name` in a directory made of `dir`'s parts.
    pub(crate) fn metacopy_data(
        &self,
        dir: &[Part],
        name: &OsStr,
        redirect: Option<&Redirect>,
    ) -> Result<Option<OwnedFd>, LowerError> {
        let search = match redirect {
            Some(redirect) => Search::redirected(self, dir, redirect),
            None => Search::sibling(self, dir.to_vec(), name),
        };
        match search.below_metacopy().run()? {
            Some(node) if node.entry.is_regular() => self.open_data(&node).map(Some),
            _ => Ok(None),
        }
    }

    /// The data of a regular file, which for a metacopy file lies in a layer further down.
    pub(crate) fn open_data(&self, node: &Node) -> Result<OwnedFd, LowerError> {
        match node.parts.last() {
            Some(part) if !node.lacks_data => Ok(self.layers[part.layer].open_file(&part.path)?),
            _ => Err(LowerError::NoData { path: node.entry.path.clone() }),
        }
    }

    /// The directory that holds a part, and the part's name in it.
    pub(crate) fn open_parent<'p>(&self, part: &'p Part) -> Result<(OwnedFd, &'p OsStr), LowerError> {
        let parent = part.path.parent().unwrap_or(Path::new(""));
        let name = part.path.file_name().unwrap_or(OsStr::new("."));
        Ok((self.layers[part.layer].open_dir(parent)?, name))
    }
}
