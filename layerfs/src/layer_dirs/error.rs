//! What can be wrong with the directories of layers.

use std::path::PathBuf;

use crate::bounded_read::ReadError;

/// The directories of a layer, or of one below it, cannot be found or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerDirError {
    /// A file of the store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A layer is stored as composefs: a metadata image and files named by content.
    #[error(
        "layer {layer} is stored as composefs, which is not understood: take use_composefs out of storage.conf, and pull its image anew"
    )]
    Composefs {
        /// Its ID.
        layer: String,
    },
    /// A layer ID is not a plain name.
    #[error("{layer:?} is not a layer ID")]
    BadLayerId {
        /// As given or recorded.
        layer: String,
    },
    /// The layer has no directory in any of the stores.
    #[error("layer {layer} is not in the storage")]
    NoLayer {
        /// Its ID.
        layer: String,
    },
    /// The `lower` file of a layer is malformed.
    #[error("{} has the entry {entry:?}, which is not of the form l/NAME", path.display())]
    BadLower {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// The `lower` file of a layer has more entries than containers/storage writes.
    #[error("{} has {count} entries; at most 500 are legitimate", path.display())]
    TooManyLowers {
        /// The file.
        path: PathBuf,
        /// Entries found.
        count: usize,
    },
    /// A lower layer is in none of the stores, neither by its link nor by its `link` file.
    #[error("the lower layer {entry} of layer {layer} is not in the storage")]
    NoLowerLayer {
        /// The layer on top.
        layer: String,
        /// The entry in its `lower` file.
        entry: String,
    },
    /// A link or directory of the store cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Lookup {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}
