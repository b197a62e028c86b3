//! One difference, with what a visitor may ask about it.

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::dir::Dir;
use super::error::DiffError;
use crate::access::AccessError;
use crate::ids::IdMap;
use crate::layer_file::{LayerFile, Xattr};
use crate::lower::{LowerError, Lowers, Node, Part};
use crate::overlay::{self, Marker, Opacity, XattrNamespace};

/// One difference between the lower layers and the merged tree.
#[derive(Debug)]
pub enum Change<'a> {
    /// The merged tree shows this, new or changed (directories too).
    Present(Present<'a>),
    /// The lower layers show this path, the merged tree does not.
    Deleted {
        /// Relative to the root of the merged tree.
        path: &'a Path,
        /// What the lower layers show there.
        stat: Stat,
    },
}

/// A file of any kind that the merged tree shows.
#[derive(Debug)]
pub struct Present<'a> {
    /// Relative to the root of the merged tree; empty for the root itself.
    pub path: &'a Path,
    /// The directory that holds the file on disk: in the upperdir, or in a lower layer for the content of a renamed
    /// directory.
    pub parent: BorrowedFd<'a>,
    /// The file's name in `parent`, `.` for the root. Xattrs and link targets are read there; leave the overlay's own
    /// xattrs out with [`XattrNamespace::merged_xattr_name`](crate::XattrNamespace::merged_xattr_name).
    pub name: &'a OsStr,
    /// Its metadata, size included. Owners are those that the container sees.
    pub stat: Stat,
    pub(super) location: Location<'a>,
    pub(super) base: Base<'a>,
}

/// Where a present file lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Location<'a> {
    Upper {
        /// The directory on the host, for messages.
        host_dir: &'a Path,
        /// Lower directories that merge into the file's, where a metacopy file's data is looked for.
        merged: &'a [Part],
    },
    Lower(&'a Node),
}

/// The place in the lower layers that a change took, and how the layers are to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    pub(super) lowers: &'a Lowers,
    pub(super) ns: XattrNamespace,
    /// Of the layer that the present file lies in.
    pub(super) ids: &'a IdMap,
    /// The directory of the change; none for the root.
    pub(super) dir: Option<&'a Dir>,
    pub(super) name: &'a OsStr,
}

impl Present<'_> {
    /// What the lower layers show at this path, `None` if nothing: then this file is new, else it is changed.
    ///
    /// # Errors
    /// [`LowerError`] when they cannot be read.
    pub fn replaced(&self) -> Result<Option<Stat>, LowerError> {
        let Base { lowers, dir, name, .. } = self.base;
        match dir {
            Some(dir) => dir.shown_by_base(lowers, name),
            None => Ok(lowers.root_node()?.map(|node| node.entry.stat)),
        }
    }

    /// Whether it is a directory of the upperdir that is marked opaque: nothing of lower layers shows in it.
    ///
    /// # Errors
    /// [`AccessError`] when its xattrs cannot be read.
    pub fn is_opaque(&self) -> Result<bool, AccessError> {
        let is_directory = overlay::file_type(&self.stat) == FileType::Directory;
        match self.location {
            // The kernel merges the roots whatever they are marked as.
            Location::Upper { host_dir, .. } if is_directory && !self.path.as_os_str().is_empty() => {
                let path = host_dir.join(self.name);
                let file = LayerFile { dir: self.parent, name: Some(self.name), path: &path };
                Ok(file.opacity(self.base.ns)? == Opacity::Opaque)
            }
            _ => Ok(false),
        }
    }

    /// Where its content is. A lower file that has it is opened.
    ///
    /// # Errors
    /// [`DiffError::NoData`] for a metacopy file whose data is in no lower layer; others when layers cannot be read.
    pub fn data(&self) -> Result<DataSource, DiffError> {
        let is_regular = overlay::file_type(&self.stat) == FileType::RegularFile;
        match self.location {
            _ if !is_regular || self.stat.st_size == 0 => Ok(DataSource::Itself),
            Location::Upper { host_dir, merged } => {
                let path = host_dir.join(self.name);
                self.upper_data(LayerFile { dir: self.parent, name: Some(self.name), path: &path }, merged)
            }
            Location::Lower(node) if node.parts.len() > 1 || node.lacks_data => {
                Ok(DataSource::Lower(self.base.lowers.open_data(node)?))
            }
            Location::Lower(_) => Ok(DataSource::Itself),
        }
    }

    fn upper_data(&self, file: LayerFile<'_>, merged: &[Part]) -> Result<DataSource, DiffError> {
        let Base { lowers, ns, .. } = self.base;
        if !file.has_marker(ns, Marker::Metacopy)? {
            return Ok(DataSource::Itself);
        }
        let redirect = file.redirect(ns)?;
        match lowers.metacopy_data(merged, self.name, redirect.as_ref())? {
            Some(fd) => Ok(DataSource::Lower(fd)),
            None => Err(DiffError::NoData { path: file.path.into() }),
        }
    }

    /// Its xattrs as the container sees them: without the overlay's own, escaped ones unescaped, IDs shifted.
    ///
    /// # Errors
    /// [`AccessError`] when they cannot be read.
    pub fn xattrs(&self) -> Result<Vec<Xattr>, AccessError> {
        let stored = LayerFile { dir: self.parent, name: Some(self.name), path: self.path }.xattrs()?;
        Ok(stored.into_iter().filter_map(|xattr| self.merged_xattr(xattr.name, xattr.value)).collect())
    }

    /// An xattr as the container sees it, given how its layer stores it; `None` for the overlay's own.
    pub fn merged_xattr(&self, name: Vec<u8>, value: Vec<u8>) -> Option<Xattr> {
        let name = self.base.ns.merged_xattr_name(&name)?;
        Some(Xattr { value: self.base.ids.xattr_in_container(&name, value), name })
    }
}

/// Where the content of a [`Present`] regular file is.
#[derive(Debug)]
pub enum DataSource {
    /// In the file itself (`parent` + `name`). Also said of everything that is not a regular file.
    Itself,
    /// In this file of a lower layer, open for reading: `parent` + `name` is a metacopy file that has the size and
    /// none of the data.
    Lower(OwnedFd),
}
