//! A tree as anyone sees it who walks it by path: independent of the library under test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Everything about one file that a restored tree must show again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    device: u64,
    content: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub(crate) type Tree = BTreeMap<PathBuf, Node>;

/// Reads a whole tree, the root as the empty path.
pub(crate) fn read(root: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    add(&mut tree, root, Path::new(""))?;
    Ok(tree)
}

fn add(tree: &mut Tree, root: &Path, path: &Path) -> Result<()> {
    let full = if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) };
    let node = node(&full).with_context(|| full.display().to_string())?;
    let is_dir = node.kind == "directory";
    tree.insert(path.to_owned(), node);
    if is_dir {
        for entry in fs::read_dir(&full)? {
            add(tree, root, &path.join(entry?.file_name()))?;
        }
    }
    Ok(())
}

fn node(path: &Path) -> Result<Node> {
    use std::os::unix::ffi::OsStringExt;
    let metadata = fs::symlink_metadata(path)?;
    let file_type = metadata.file_type();
    let (kind, content) = match file_type {
        _ if file_type.is_dir() => ("directory", Vec::new()),
        _ if file_type.is_file() => ("file", fs::read(path)?),
        _ if file_type.is_symlink() => ("symlink", fs::read_link(path)?.into_os_string().into_vec()),
        _ if file_type.is_fifo() => ("fifo", Vec::new()),
        _ if file_type.is_char_device() => ("character device", Vec::new()),
        _ if file_type.is_block_device() => ("block device", Vec::new()),
        _ => ("socket", Vec::new()),
    };
    Ok(Node {
        kind,
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        device: metadata.rdev(),
        content,
        xattrs: xattrs(path)?,
    })
}

/// All xattrs of a file, a symlink itself included.
pub(crate) fn xattrs(path: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut list = vec![0; 65536];
    let len = rustix::fs::llistxattr(path, &mut list[..])?;
    let names = list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let read = |name: &[u8]| -> Result<_> {
        let mut value = vec![0; 65536];
        let len = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        value.truncate(len);
        Ok((name.to_vec(), value))
    };
    names.map(read).collect()
}

/// What differs, a line each; empty for equal trees.
pub(crate) fn differences(expected: &Tree, found: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, node) in expected {
        match found.get(path) {
            None => lines.push(format!("missing: {}", path.display())),
            Some(other) if other != node => {
                lines.push(format!("{}: expected {node:?}, found {other:?}", path.display()));
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|path| !expected.contains_key(*path));
    lines.extend(extra.map(|path| format!("should not be there: {}", path.display())));
    lines
}
