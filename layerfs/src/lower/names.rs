//! All names of a directory of the merged lower tree.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Stat};

use super::{LowerError, Lowers, Part};
use crate::beneath::{self, AccessError, Name};
use crate::handle::Handle;
use crate::overlay::{self, Marker, Opacity, XattrNamespace};

impl Lowers {
    /// Every name the directory made of `dir`'s parts shows.
    pub(crate) fn names(&self, dir: &[Part]) -> Result<BTreeSet<OsString>, LowerError> {
        let mut shown = BTreeSet::new();
        let mut hidden = BTreeSet::new();
        for part in dir {
            self.names_of_part(part, &mut shown, &mut hidden)?;
        }
        Ok(shown)
    }

    fn names_of_part(
        &self,
        part: &Part,
        shown: &mut BTreeSet<OsString>,
        hidden: &mut BTreeSet<OsString>,
    ) -> Result<(), LowerError> {
        let root = &self.layers[part.layer];
        let path = root.full(&part.path);
        let fd = root.open_dir(&part.path)?;
        let dir = ListedDir { handle: Handle { dir: fd.as_fd(), name: None, path: &path }, ns: self.ns };
        let opacity = dir.handle.opacity(self.ns)?;
        for entry in beneath::list(fd.as_fd(), &path)? {
            if shown.contains(&entry.name) || hidden.contains(&entry.name) {
                continue;
            }
            let list = if dir.is_whiteout(&entry, opacity)? { &mut *hidden } else { &mut *shown };
            list.insert(entry.name);
        }
        Ok(())
    }
}

/// A directory of one layer while its names are sorted into shown and hidden.
struct ListedDir<'a> {
    handle: Handle<'a>,
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
        let path = self.handle.path.join(&entry.name);
        let file = Handle { dir: self.handle.dir, name: Some(&entry.name), path: &path };
        file.has_marker(self.ns, Marker::Whiteout)
    }

    fn stat(&self, entry: &Name) -> Result<Stat, AccessError> {
        rustix::fs::statat(self.handle.dir, &entry.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| AccessError::Stat { path: self.handle.path.join(&entry.name), source })
    }
}
