//! Files and directories of the merged lower tree, by the layers that they come from.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::beneath::Entry;

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
    pub(super) fn parts(&self) -> &[Part] {
        match self {
            Self::Open { parts, .. } | Self::Closed { parts } => parts,
        }
    }
}

/// Parts of a directory that are held open; the walk holds some 64 directories.
pub(super) const MAX_OPEN_PARTS: usize = 6;

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
