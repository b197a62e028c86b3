//! What the lower layers show, together, without the upper one.
//!
//! A directory of the merged lower tree is a list of `Part`s, one per layer that contributes to it, top first. A
//! lookup goes through the parts as the kernel does (`ovl_lookup` in `fs/overlayfs/namei.c`). A whiteout ends it. An
//! opaque directory is the last part, and so is a directory that has a file of its name below it. A redirect changes
//! what the layers further down are asked for.

mod error;
mod names;
mod node;
mod roots;
mod search;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

use crate::access::AccessError;
use crate::ids::IdMap;
use crate::layers::Layers;
use crate::overlay::{self, Redirect};
pub use error::LowerError;
use node::MAX_OPEN_PARTS;
pub(crate) use node::{Node, OpenParts, Part};
use roots::LowerRoots;
use search::Search;

/// The lower layers, opened.
#[derive(Debug)]
pub struct Lowers {
    roots: LowerRoots,
    /// How the layers shift owners, as far as they do.
    ids: Vec<IdMap>,
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
        Ok(Self { roots: LowerRoots::open(layers)?, ids: layers.lower_ids.clone() })
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
        self.roots.of(part).full(&part.path)
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
        let Some(top) = self.roots.top() else { return Ok(None) };
        let entry = top.entry(Path::new(""))?;
        Ok(entry.map(|entry| Node { parts: self.root_parts(), entry, lacks_data: false }))
    }

    /// The root directory: every merging layer contributes, whatever its root is marked as.
    pub(crate) fn root_parts(&self) -> Vec<Part> {
        self.roots.root_parts()
    }

    /// Every name that the directory made of `dir`'s parts shows.
    pub(crate) fn names(&self, dir: &[Part]) -> Result<BTreeSet<OsString>, LowerError> {
        names::shown(&self.roots, dir)
    }

    /// Looks up a name in the directory made of `dir`'s parts.
    pub(crate) fn child(&self, dir: &[Part], name: &OsStr) -> Result<Option<Node>, LowerError> {
        Search::sibling(&self.roots, dir.to_vec(), name).run()
    }

    /// The `stat` of what [`child`](Self::child) would find: of the first part that has the name, unless as a whiteout.
    pub(crate) fn shown(&self, dir: &OpenParts, name: &OsStr) -> Result<Option<Stat>, LowerError> {
        let OpenParts::Open { dirs, parts } = dir else { return self.shown_by_path(dir.parts(), name) };
        for (fd, part) in dirs.iter().zip(parts) {
            match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => {}
                Err(source) => {
                    let path = self.roots.of(part).full(&part.path.join(name));
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
        let dirs = parts.iter().map(|part| self.roots.of(part).open_dir(&part.path)).collect::<Result<_, _>>()?;
        Ok(OpenParts::Open { dirs, parts })
    }

    /// What an upper directory with this redirect, in a directory made of `dir`'s parts, merges with.
    pub(crate) fn redirected_dir(&self, dir: &[Part], redirect: &Redirect) -> Result<Option<Node>, LowerError> {
        Search::redirected(&self.roots, dir, redirect).below_directory().run()
    }

    /// The data of an upper metacopy file called `name` in a directory made of `dir`'s parts.
    pub(crate) fn metacopy_data(
        &self,
        dir: &[Part],
        name: &OsStr,
        redirect: Option<&Redirect>,
    ) -> Result<Option<OwnedFd>, LowerError> {
        let search = match redirect {
            Some(redirect) => Search::redirected(&self.roots, dir, redirect),
            None => Search::sibling(&self.roots, dir.to_vec(), name),
        };
        match search.below_metacopy().run()? {
            Some(node) if node.entry.is_regular() => self.open_data(&node).map(Some),
            _ => Ok(None),
        }
    }

    /// The data of a regular file, which for a metacopy file lies in a layer further down.
    pub(crate) fn open_data(&self, node: &Node) -> Result<OwnedFd, LowerError> {
        match node.parts.last() {
            Some(part) if !node.lacks_data => Ok(self.roots.of(part).open_file(&part.path)?),
            _ => Err(LowerError::NoData { path: node.entry.path.clone() }),
        }
    }

    /// The directory that holds a part, and the part's name in it.
    pub(crate) fn open_parent<'p>(&self, part: &'p Part) -> Result<(OwnedFd, &'p OsStr), LowerError> {
        let parent = part.path.parent().unwrap_or(Path::new(""));
        let name = part.path.file_name().unwrap_or(OsStr::new("."));
        Ok((self.roots.of(part).open_dir(parent)?, name))
    }
}
