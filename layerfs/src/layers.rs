//! The value that every store answers with, and the trait that the stores share.

use std::path::{Path, PathBuf};

use crate::ids::IdMap;
use crate::overlay::XattrNamespace;

/// Host directories that make up one merged mount point, in the words of the overlay's mount options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Where the layers are, or would be, mounted.
    pub merged: Option<PathBuf>,
    /// The part of the merged tree that is mounted there, relative to its root. Empty for the whole tree, as nearly
    /// always; a bind mount may show one directory of it, or one file.
    pub part: PathBuf,
    /// The writable layer.
    pub upperdir: PathBuf,
    /// The read-only layers that merge, top first.
    pub lowerdirs: Vec<PathBuf>,
    /// Layers below all others that show no names and only hold the data of metacopy files (`::` and `datadir+`).
    pub data_only_lowerdirs: Vec<PathBuf>,
    /// The kernel's scratch directory, on the upperdir's file system.
    pub workdir: Option<PathBuf>,
    /// Where this overlay keeps its markers.
    pub xattr_ns: XattrNamespace,
    /// How owners in the upperdir differ from what the container sees.
    pub ids: IdMap,
    /// The same for each of `lowerdirs`, in their order. Layers past the end of this list are as the container sees
    /// them.
    pub lower_ids: Vec<IdMap>,
}

impl Layers {
    /// Directories that are not mounted, with markers in `trusted.*` and owners as the container sees them.
    pub fn new(upperdir: impl Into<PathBuf>, lowerdirs: Vec<PathBuf>) -> Self {
        Self {
            merged: None,
            part: PathBuf::new(),
            upperdir: upperdir.into(),
            lowerdirs,
            data_only_lowerdirs: Vec::new(),
            workdir: None,
            xattr_ns: XattrNamespace::Trusted,
            ids: IdMap::default(),
            lower_ids: Vec::new(),
        }
    }
}

/// Something that knows which directories lie behind a merged mount point.
pub trait LayerStore {
    /// Why this store has no answer.
    type Error;

    /// The layers behind a merged mount point.
    ///
    /// # Errors
    /// The store's own error when the path is not one of its mount points, or when it cannot be read or understood.
    fn layers_at(&self, merged: &Path) -> Result<Layers, Self::Error>;
}
