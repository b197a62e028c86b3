//! One lookup, from the top layer down.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::error::LowerError;
use super::node::{Node, Part};
use super::roots::LowerRoots;
use crate::beneath::{Entry, Root};
use crate::overlay::{self, Marker, Opacity, Redirect, XattrNamespace};

/// A search for one name. What it asks the next layer for changes with the redirects it meets.
pub(super) struct Search<'a> {
    roots: &'a LowerRoots,
    /// The directories still to be asked, top first.
    queue: VecDeque<Part>,
    wanted: Wanted,
    /// What was found above the next layer to ask.
    above: Above,
    found: Option<(Vec<Part>, Entry)>,
}

/// What the next layer is asked for.
#[derive(Clone)]
struct Wanted {
    /// One name, or the components of an absolute path.
    names: Vec<OsString>,
    /// Counted from the layer's root, not from the directory the search began in.
    absolute: bool,
}

/// Decides what a layer further down may add.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Above {
    Nothing,
    Directory,
    /// Metadata that still looks for its data.
    Metacopy,
}

impl Above {
    /// Of a file whose markers do not count.
    fn unmarked(entry: &Entry) -> Self {
        if entry.is_dir() { Self::Directory } else { Self::Nothing }
    }
}

/// What one layer answered.
struct Answer {
    hit: Option<(PathBuf, Entry, Above)>,
    /// Layers further down are not asked.
    stop: bool,
    /// What layers further down are asked for.
    next: Wanted,
}

impl<'a> Search<'a> {
    pub(super) fn sibling(roots: &'a LowerRoots, dir: Vec<Part>, name: &OsStr) -> Self {
        let wanted = Wanted { names: vec![name.to_owned()], absolute: false };
        Self { roots, queue: dir.into(), wanted, above: Above::Nothing, found: None }
    }

    /// A redirect in the upper layer: an absolute one starts at the roots of all lower layers.
    pub(super) fn redirected(roots: &'a LowerRoots, dir: &[Part], redirect: &Redirect) -> Self {
        let wanted = Wanted { names: Vec::new(), absolute: false }.redirected(redirect, 0);
        let queue = if wanted.absolute { roots.root_parts() } else { dir.to_vec() };
        Self { roots, queue: queue.into(), wanted, above: Above::Nothing, found: None }
    }

    pub(super) fn below_directory(mut self) -> Self {
        self.above = Above::Directory;
        self
    }

    pub(super) fn below_metacopy(mut self) -> Self {
        self.above = Above::Metacopy;
        self
    }

    pub(super) fn run(mut self) -> Result<Option<Node>, LowerError> {
        while let Some(part) = self.queue.pop_front() {
            let answer = self.ask(&part, self.queue.is_empty())?;
            self.take(part.layer, answer.hit);
            if answer.stop {
                break;
            }
            if answer.next.absolute && !self.wanted.absolute {
                self.queue = self.roots.root_parts().split_off(part.layer + 1).into();
            }
            self.wanted = answer.next;
        }
        self.ask_data_only()?;
        let lacks_data = self.above == Above::Metacopy;
        Ok(self.found.map(|(parts, entry)| Node { parts, entry, lacks_data }))
    }

    fn take(&mut self, layer: usize, hit: Option<(PathBuf, Entry, Above)>) {
        let Some((path, entry, above)) = hit else { return };
        self.above = above;
        let part = Part { layer, path };
        match &mut self.found {
            Some((parts, _)) => parts.push(part),
            None => self.found = Some((vec![part], entry)),
        }
    }

    /// Data-only layers are reached by an absolute redirect alone.
    fn ask_data_only(&mut self) -> Result<(), LowerError> {
        if self.above != Above::Metacopy || !self.wanted.absolute {
            return Ok(());
        }
        let path: PathBuf = self.wanted.names.iter().collect();
        for (layer, root) in self.roots.data_only() {
            if let Some(entry) = root.entry(&path)?.filter(Entry::is_regular) {
                self.take(layer, Some((path, entry, Above::Nothing)));
                break;
            }
        }
        Ok(())
    }

    /// Walks the wanted names within one layer.
    fn ask(&self, part: &Part, is_last_part: bool) -> Result<Answer, LowerError> {
        let root = self.roots.of(part);
        let mut path = if self.wanted.absolute { PathBuf::new() } else { part.path.clone() };
        let mut answer = Answer { hit: None, stop: false, next: self.wanted.clone() };
        let Some(last) = self.wanted.names.len().checked_sub(1) else { return Ok(answer) };
        for (index, name) in self.wanted.names.iter().enumerate() {
            path.push(name);
            let Some(entry) = root.entry(&path)? else { return Ok(answer) };
            let is_last = index == last;
            if self.is_whiteout(root, &path, &entry)? || !self.continues(&entry, is_last) {
                answer.stop = true;
                return Ok(answer);
            }
            let above = match self.is_bottom(part, is_last_part, &entry) {
                true => Above::unmarked(&entry),
                false => self.read_markers(&entry, &mut answer, last - index)?,
            };
            if is_last {
                answer.hit = Some((path, entry, above));
                break;
            }
        }
        Ok(answer)
    }

    /// Whether this file can be part of what is looked for: below a directory only directories, below a metacopy file
    /// only regular files, and only directories on the way.
    fn continues(&self, entry: &Entry, is_last: bool) -> bool {
        match self.above {
            _ if !is_last => entry.is_dir(),
            Above::Nothing => true,
            Above::Directory => entry.is_dir(),
            Above::Metacopy => entry.is_regular(),
        }
    }

    /// Whether no layer below can add to the file. The kernel then does not read its markers, which may be anything
    /// (`ovl_lookup_data.last`). That is so in the lowest layer, if no data-only layers lie below it; with `userxattr`,
    /// where the kernel follows no redirects, also in the last layer of the directory.
    fn is_bottom(&self, part: &Part, is_last_part: bool, entry: &Entry) -> bool {
        match self.roots.ns {
            XattrNamespace::User => is_last_part,
            XattrNamespace::Trusted => {
                self.roots.is_lowest(part.layer) && (entry.is_dir() || !self.roots.has_data_only())
            }
        }
    }

    /// Reads what the file says about the layers below it. `rest` is the number of wanted names behind it.
    fn read_markers(&self, entry: &Entry, answer: &mut Answer, rest: usize) -> Result<Above, LowerError> {
        let ns = self.roots.ns;
        if entry.is_dir() {
            if entry.opacity(ns)? == Opacity::Opaque {
                answer.stop = true;
                return Ok(Above::Directory);
            }
        } else if !entry.is_regular() || !entry.has_marker(ns, Marker::Metacopy)? {
            answer.stop = true;
            return Ok(Above::Nothing);
        }
        if let Some(redirect) = entry.redirect(ns)? {
            // An opaque directory on the way would end the search here, but an absolute redirect leads past it.
            answer.stop &= matches!(redirect, Redirect::Sibling(_));
            answer.next = answer.next.redirected(&redirect, rest);
        }
        Ok(if entry.is_dir() { Above::Directory } else { Above::Metacopy })
    }

    fn is_whiteout(&self, root: &Root, path: &Path, entry: &Entry) -> Result<bool, LowerError> {
        if overlay::is_whiteout(&entry.stat) {
            return Ok(true);
        }
        let ns = self.roots.ns;
        if !overlay::may_be_xattr_whiteout(&entry.stat) || !entry.has_marker(ns, Marker::Whiteout)? {
            return Ok(false);
        }
        let parent = root.entry(path.parent().unwrap_or(Path::new("")))?;
        Ok(parent.map(|parent| parent.opacity(ns)).transpose()? == Some(Opacity::XattrWhiteouts))
    }
}

impl Wanted {
    /// The same with the name before the last `rest` ones redirected.
    fn redirected(&self, redirect: &Redirect, rest: usize) -> Self {
        let behind = self.names.len().saturating_sub(rest);
        let (to, rest) = self.names.split_at(behind);
        let (mut names, absolute): (Vec<OsString>, bool) = match redirect {
            Redirect::Sibling(name) => {
                let parents = to.split_last().map_or(&[][..], |(_, parents)| parents);
                (parents.iter().chain([name]).cloned().collect(), self.absolute)
            }
            Redirect::Absolute(path) => (path.iter().map(OsStr::to_owned).collect(), true),
        };
        names.extend_from_slice(rest);
        Self { names, absolute }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(path: &str, absolute: bool) -> Wanted {
        Wanted { names: Path::new(path).iter().map(OsStr::to_owned).collect(), absolute }
    }

    #[test]
    fn a_redirect_replaces_its_own_name_and_keeps_those_behind() {
        let sibling = Redirect::Sibling("new".into());
        let absolute = Redirect::Absolute("x/y".into());
        let cases = [
            (wanted("a", false), &sibling, 0, "new", false),
            (wanted("a", false), &absolute, 0, "x/y", true),
            (wanted("a/b/c", true), &sibling, 1, "a/new/c", true),
            (wanted("a/b/c", true), &sibling, 2, "new/b/c", true),
            (wanted("a/b/c", true), &absolute, 1, "x/y/c", true),
        ];
        for (before, redirect, rest, names, is_absolute) in cases {
            let after = before.redirected(redirect, rest);
            assert_eq!(after.names.iter().collect::<PathBuf>(), Path::new(names));
            assert_eq!(after.absolute, is_absolute);
        }
    }
}
