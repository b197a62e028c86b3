//! A tree as anyone sees it who walks it by path: independent of the library under test.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::SeekFrom;

/// Everything about one file that a restored tree must show again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    device: u64,
    content: Content,
    /// The first of its names in the tree, and how many there are.
    links: (PathBuf, usize),
    data_blocks: DataBlocks,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Numbers of the whole blocks of 4 KiB that are no hole. Not compared for equality: zeros may become a hole.
#[derive(Clone, Debug)]
struct DataBlocks(Vec<u64>);

impl PartialEq for DataBlocks {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for DataBlocks {}

/// Shown by its length and checksum: messages are to be read.
#[derive(Clone, PartialEq, Eq)]
struct Content(Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.0.iter().fold(0_u32, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte));
        write!(formatter, "{} bytes, sum {sum:08x}", self.0.len())
    }
}

pub(crate) type Tree = BTreeMap<PathBuf, Node>;

/// Reads a whole tree, the root as the empty path.
pub(crate) fn read(root: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut inodes = Inodes::new();
    add(&mut tree, &mut inodes, root, Path::new(""))?;
    for paths in inodes.into_values() {
        let first = paths.iter().min().context("an inode has a name")?.clone();
        for path in &paths {
            tree.get_mut(path).context("it was read")?.links = (first.clone(), paths.len());
        }
    }
    Ok(tree)
}

/// Names of each inode, by device and number.
type Inodes = BTreeMap<(u64, u64), Vec<PathBuf>>;

fn add(tree: &mut Tree, inodes: &mut Inodes, root: &Path, path: &Path) -> Result<()> {
    let full = if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) };
    let metadata = fs::symlink_metadata(&full)?;
    let node = node(&full, &metadata).with_context(|| full.display().to_string())?;
    let is_dir = node.kind == "directory";
    tree.insert(path.to_owned(), node);
    if is_dir {
        for entry in fs::read_dir(&full)? {
            add(tree, inodes, root, &path.join(entry?.file_name()))?;
        }
    } else {
        inodes.entry((metadata.dev(), metadata.ino())).or_default().push(path.to_owned());
    }
    Ok(())
}

fn node(path: &Path, metadata: &fs::Metadata) -> Result<Node> {
    use std::os::unix::ffi::OsStringExt;
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
        content: Content(content),
        links: (PathBuf::new(), 1),
        data_blocks: DataBlocks(if metadata.is_file() {
            data_blocks(path, metadata.len() / BLOCK)?
        } else {
            Vec::new()
        }),
        xattrs: xattrs(path)?,
    })
}

const BLOCK: u64 = 4096;

fn data_blocks(path: &Path, whole: u64) -> Result<Vec<u64>> {
    let file = fs::File::open(path)?;
    let mut blocks = Vec::new();
    let mut end = 0;
    loop {
        let start = match rustix::fs::seek(&file, SeekFrom::Data(end)) {
            Err(rustix::io::Errno::NXIO) => return Ok(blocks),
            start => start?,
        };
        end = rustix::fs::seek(&file, SeekFrom::Hole(start))?;
        blocks.extend(start / BLOCK..end.div_ceil(BLOCK).min(whole));
    }
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
            Some(other) => {
                let filled = other.data_blocks.0.iter().filter(|block| !node.data_blocks.0.contains(block));
                lines.extend(filled.map(|block| format!("{}: block {block} is no hole any more", path.display())));
            }
        }
    }
    let extra = found.keys().filter(|path| !expected.contains_key(*path));
    lines.extend(extra.map(|path| format!("should not be there: {}", path.display())));
    lines
}
