//! The directories of the lower layers, opened.

use std::path::PathBuf;

use super::error::LowerError;
use super::node::Part;
use crate::beneath::Root;
use crate::layers::Layers;
use crate::overlay::XattrNamespace;

/// The lower layers by number, the topmost first.
#[derive(Debug)]
pub(super) struct LowerRoots {
    /// The layers that merge, top first, then the data-only ones.
    layers: Vec<Root>,
    /// How many of them merge.
    merging: usize,
    pub(super) ns: XattrNamespace,
}

impl LowerRoots {
    pub(super) fn open(layers: &Layers) -> Result<Self, LowerError> {
        let all = layers.lowerdirs.iter().chain(&layers.data_only_lowerdirs);
        let roots = all.map(|path| Root::open(path)).collect::<Result<_, _>>()?;
        Ok(Self { layers: roots, merging: layers.lowerdirs.len(), ns: layers.xattr_ns })
    }

    pub(super) fn of(&self, part: &Part) -> &Root {
        &self.layers[part.layer]
    }

    /// The topmost layer, if any layer merges.
    pub(super) fn top(&self) -> Option<&Root> {
        self.layers[..self.merging].first()
    }

    /// The root directory: every merging layer contributes, whatever its root is marked as.
    pub(super) fn root_parts(&self) -> Vec<Part> {
        (0..self.merging).map(|layer| Part { layer, path: PathBuf::new() }).collect()
    }

    /// The layers that only lend data, with their numbers.
    pub(super) fn data_only(&self) -> impl Iterator<Item = (usize, &Root)> {
        self.layers.iter().enumerate().skip(self.merging)
    }

    pub(super) fn has_data_only(&self) -> bool {
        self.merging < self.layers.len()
    }

    /// Whether no merging layer is below this one.
    pub(super) fn is_lowest(&self, layer: usize) -> bool {
        layer + 1 == self.merging
    }
}
