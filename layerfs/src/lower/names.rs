//! All names of a directory of the merged lower tree.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Stat};

use super::error::LowerError;
use super::node::Part;
use super::roots::LowerRoots;
use crate::access::AccessError;
use crate::beneath::{self, Name};
use crate::layer_file::LayerFile;
use crate::overlay::{self, Marker, Opacity, XattrNamespace};

/// The names that are shown, and those that a whiteout above hides.
#[derive(Default)]
struct Names {
    shown: BTreeSet<OsString>,
    hidden: BTreeSet<OsString>,
}

/// Every name that the directory made of `dir`'s parts shows.
pub(super) fn shown(roots: &LowerRoots, dir: &[Part]) -> Result<BTreeSet<OsString>, LowerError> {
    let mut names = Names::default();
    for part in dir {
        names.add(roots, part)?;
    }
    Ok(names.shown)
}

impl Names {
    /// Adds those of a part below all that were added before.
    fn add(&mut self, roots: &LowerRoots, part: &Part) -> Result<(), LowerError> {
        let root = roots.of(part);
        let path = root.full(&part.path);
        let fd = root.open_dir(&part.path)?;
        let dir = ListedDir { file: LayerFile { dir: fd.as_fd(), name: None, path: &path }, ns: roots.ns };
        let opacity = dir.file.opacity(roots.ns)?;
        for entry in beneath::list(fd.as_fd(), &path)? {
            if self.shown.contains(&entry.name) || self.hidden.contains(&entry.name) {
                continue;
            }
            let list = if dir.is_whiteout(&entry, opacity)? { &mut self.hidden } else { &mut self.shown };
            list.insert(entry.name);
        }
        Ok(())
    }
}

/// A directory of one layer while its names are sorted into shown and hidden.
struct ListedDir<'a> {
    file: LayerFile<'a>,
    ns: XattrNamespace,
}

impl ListedDir<'_> {
    fn is_whiteout(&self, entry: &Name, opacity: Opacity) -> Result<bool, AccessError> {
        let xattrs = opacity == Opacity::XattrWhiteouts;
        match entry.kind {
            FileType::CharacterDevice => Ok(overlay::is_whiteout(&self.stat(entry)?)),
            FileType::RegularFile if xattrs => self.is_xattr_whiteout(entry),
            FileType::Unknown if overlay::is_whiteout(&self.stat(entry)?) => Ok(true),
            FileType::Unknown if xattrs => self.is_xattr_whiteout(entry),
            _ => Ok(false),
        }
    }

    fn is_xattr_whiteout(&self, entry: &Name) -> Result<bool, AccessError> {
        if !overlay::may_be_xattr_whiteout(&self.stat(entry)?) {
            return Ok(false);
        }
        let path = self.file.path.join(&entry.name);
        let file = LayerFile { dir: self.file.dir, name: Some(&entry.name), path: &path };
        file.has_marker(self.ns, Marker::Whiteout)
    }

    fn stat(&self, entry: &Name) -> Result<Stat, AccessError> {
        rustix::fs::statat(self.file.dir, &entry.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| AccessError::Stat { path: self.file.path.join(&entry.name), source })
    }
}
