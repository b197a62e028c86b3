//! What each layer has of a part of the merged tree.

use std::path::PathBuf;

use crate::beneath::{Entry, Root};
use crate::layers::Layers;
use crate::lower::{LowerError, Lowers, Node, Part};
use crate::overlay::{Opacity, XattrNamespace, is_whiteout};

/// The paths of [`Layers::part`] in the layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPaths {
    /// In the upperdir, if it has any of it.
    pub upper: Option<PathBuf>,
    /// In the lower layers, top first, where they contribute to what is shown.
    pub lowers: Vec<PathBuf>,
}

/// Looks for `layers.part` in all layers as the kernel does: whiteouts and opaque directories end the search, redirects
/// lead it elsewhere.
///
/// # Errors
/// [`LowerError`] when the layers cannot be read.
pub fn part_paths(layers: &Layers) -> Result<PartPaths, LowerError> {
    let (root, lowers) = (Root::open(&layers.upperdir)?, Lowers::open(layers)?);
    let (mut upper, mut below) = (Some(PathBuf::new()), lowers.root_parts());
    for name in &layers.part {
        let dir = upper.take();
        let path = dir.map(|dir| dir.join(name));
        let entry = path.as_ref().map(|path| root.entry(path)).transpose()?.flatten();
        below = match &entry {
            None => lowers.child(&below, name)?.map(shown_parts).unwrap_or_default(),
            Some(entry) => below_upper(entry, &lowers, &below, name, layers.xattr_ns)?,
        };
        upper = path.filter(|_| entry.is_some_and(|entry| !is_whiteout(&entry.stat)));
    }
    let lowers = below.iter().map(|part| lowers.full(part)).collect();
    Ok(PartPaths { upper: upper.map(|path| root.full(&path)), lowers })
}

/// What the layers below still show of `name` where the upperdir has this entry.
fn below_upper(
    entry: &Entry,
    lowers: &Lowers,
    below: &[Part],
    name: &std::ffi::OsStr,
    ns: XattrNamespace,
) -> Result<Vec<Part>, LowerError> {
    if !entry.is_dir() || entry.opacity(ns)? == Opacity::Opaque {
        return Ok(Vec::new());
    }
    let node = match entry.redirect(ns)? {
        Some(redirect) => lowers.redirected_dir(below, &redirect)?,
        None => lowers.child(below, name)?,
    };
    Ok(node.map(Node::into_dir_parts).unwrap_or_default())
}

/// All parts of a directory; of a file the one that is shown.
fn shown_parts(node: Node) -> Vec<Part> {
    if node.entry.is_dir() { node.parts } else { node.parts.into_iter().take(1).collect() }
}
