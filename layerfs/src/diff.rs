//! What an upperdir changes, exactly: one walk that yields what the merged tree shows differently from its lower layers.
//!
//! # What comes out
//!
//! The walk compares two trees: the *base*, which is what the lower layers show without the upper one, and the merged
//! tree. Everything of the merged tree that does not come unchanged from the same place of the base is
//! [`Change::Present`]; everything of the base that the merged tree lacks is [`Change::Deleted`].
//!
//! | in the upperdir | yields |
//! |---|---|
//! | file, directory, link, device, … | `Present` |
//! | whiteout of something the base shows | one `Deleted`, also for a whole directory |
//! | whiteout of nothing | nothing |
//! | opaque directory | `Present`, its content, and `Deleted` for each name the base shows there and it lacks, also in subdirectories made anew |
//! | file where the base has a directory, or the reverse | `Present` alone: the kind says the rest |
//! | metacopy file | `Present` with the data of the lower file that holds it |
//! | renamed directory (redirect) | `Present` with its whole merged content; the old name is a whiteout in the upperdir |
//!
//! Parents come before children and names are in byte order, so equal trees give equal sequences. Some 70
//! descriptors are open at most, however deep the tree is, and up to 128 more while other cores ask ahead.

mod ahead;
mod dir;
mod frame;
mod listing;
mod walker;

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use crate::beneath::{AccessError, Root};
use crate::handle::{Handle, Xattr};
use crate::ids::IdMap;
use crate::lower::{LowerError, Lowers, Node, Part};
use crate::overlay::{self, Marker, XattrNamespace};
use crate::store::Layers;
use dir::Dir;
use walker::Walker;

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
    place: Place<'a>,
    base: Base<'a>,
}

/// Where a present file lies.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
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
struct Base<'a> {
    lowers: &'a Lowers,
    ns: XattrNamespace,
    /// Of the layer that the present file lies in.
    ids: &'a IdMap,
    /// The directory of the change; none for the root.
    dir: Option<&'a Dir>,
    name: &'a OsStr,
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

    /// Where its content is. A lower file that has it is opened.
    ///
    /// # Errors
    /// [`DiffError::NoData`] for a metacopy file whose data is in no lower layer; others when layers cannot be read.
    pub fn data(&self) -> Result<DataSource, DiffError> {
        let is_regular = overlay::file_type(&self.stat) == FileType::RegularFile;
        match self.place {
            _ if !is_regular || self.stat.st_size == 0 => Ok(DataSource::Itself),
            Place::Upper { host_dir, merged } => {
                let path = host_dir.join(self.name);
                self.upper_data(Handle { dir: self.parent, name: Some(self.name), path: &path }, merged)
            }
            Place::Lower(node) if node.parts.len() > 1 || node.lacks_data => {
                Ok(DataSource::Lower(self.base.lowers.open_data(node)?))
            }
            Place::Lower(_) => Ok(DataSource::Itself),
        }
    }

    fn upper_data(&self, file: Handle<'_>, merged: &[Part]) -> Result<DataSource, DiffError> {
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
        let stored = Handle { dir: self.parent, name: Some(self.name), path: self.path }.xattrs()?;
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

/// How much a walk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffStats {
    /// Directories present, the root included.
    pub directories: u64,
    /// Present files of every other kind.
    pub files: u64,
    /// Sum of the sizes of present regular files, in bytes; a file with several names counts once for each.
    pub file_bytes: u64,
    /// Deletions.
    pub deleted: u64,
}

/// The upperdir could not be compared with its lower layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// A file of the upperdir could not be read; it may have vanished meanwhile.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The lower layers could not be read.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// With `index=on`, a change of a lower file with several names shows under all of them, and only the index beside
    /// the workdir knows; containers' engines mount without it.
    #[error(
        "{} was changed together with other names of the same lower file (index=on), which its upperdir does not tell",
        path.display()
    )]
    Indexed {
        /// The file in the upperdir.
        path: PathBuf,
    },
    /// A metacopy file's data is in no lower layer.
    #[error("{} is a metacopy file, but no lower layer has its data", path.display())]
    NoData {
        /// The file in the upperdir.
        path: PathBuf,
    },
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError<E> {
    /// The walk itself failed.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The visitor returned this.
    #[error("{0}")]
    Visit(E),
}

/// Walks the upperdir once and hands every change to `visit`.
///
/// The upperdir should not change meanwhile: a file that vanishes during the walk is an error.
///
/// # Errors
/// [`WalkError::Visit`] with the visitor's own error, [`WalkError::Diff`] for all else.
///
/// # Examples
/// ```no_run
/// use std::path::Path;
/// use layerfs::{Change, LayerStore, OverlayMounts};
///
/// let layers = OverlayMounts::new().layers_at(Path::new("/mnt/merged"))?;
/// layerfs::walk(&layers, |change| {
///     match change {
///         Change::Present(present) => println!("C {}", present.path.display()),
///         Change::Deleted { path, .. } => println!("D {}", path.display()),
///     }
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn walk<E>(layers: &Layers, visit: impl FnMut(Change<'_>) -> Result<(), E>) -> Result<DiffStats, WalkError<E>> {
    let lowers = Lowers::open(layers).map_err(DiffError::from)?;
    let root = Root::open(&layers.upperdir).map_err(DiffError::from)?;
    Walker::new(root, &lowers, layers, visit).run()
}
