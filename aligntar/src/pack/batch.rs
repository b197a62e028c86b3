//! Some names of a tree, with the small files among them read into memory.

use std::fs::File;
use std::ops::Range;

use rustix::buffer::spare_capacity;
use rustix::fs::FileType;
use rustix::io::pread;

use super::error::PackError;
use super::options::PackOptions;
use super::snapshot::{ATTEMPTS, Snapshots};
use super::walk::{Found, Walk};
use crate::inode::{Inode, InodeError, os, read_inode_of};
use crate::transfer::ClonePolicy;
use crate::writer::{Layout, Writer, filling};

/// Names in one batch; each of them may keep a file open.
const NAMES: usize = 48;

/// A batch, from names to what is ready to be written.
#[derive(Default)]
pub(super) struct Batch {
    found: Vec<Found>,
    /// In the order of the names.
    pub(super) loaded: Vec<Result<Loaded, InodeError>>,
    /// What `loaded` refers to.
    pub(super) bytes: Vec<u8>,
}

/// A member, as far as it could be prepared.
pub(super) enum Loaded {
    /// Headers, data and filling as they go into the archive, wherever that is.
    Encoded { path: Vec<u8>, bytes: Range<usize>, size: u64, changed: bool, has_flags: bool },
    /// A member that depends on members before it, or on its offset; with its data, if that was read.
    Inode { inode: Box<Inode>, data: Option<Range<usize>> },
    /// A file to be left out, as its inode shows.
    Omitted { path: Vec<u8> },
}

impl Batch {
    /// Takes the next names of `walk`; whether there were any.
    pub(super) fn refill(&mut self, walk: &mut Walk<'_>) -> Result<bool, PackError> {
        self.bytes.clear();
        while self.found.len() < NAMES
            && let Some(found) = walk.next_name()?
        {
            self.found.push(found);
        }
        Ok(!self.found.is_empty())
    }

    /// Reads what the names lead to.
    pub(super) fn load(&mut self, loader: &Loader<'_>) {
        for found in self.found.drain(..) {
            self.loaded.push(loader.load(found, &mut self.bytes));
        }
    }
}

/// Reads inodes as the archive's layout needs them.
pub(super) struct Loader<'l> {
    options: PackOptions<'l>,
    snapshots: Snapshots<'l>,
    layout: Layout,
    clone_policy: ClonePolicy,
    copied_below: u64,
}

impl<'l> Loader<'l> {
    pub(super) fn new(options: PackOptions<'l>, snapshots: Snapshots<'l>, writer: &Writer<'_>) -> Self {
        let (layout, clone_policy, copied_below) = (writer.layout(), writer.clone_policy(), writer.copied_below());
        Loader { options, snapshots, layout, clone_policy, copied_below }
    }

    fn load(&self, found: Found, bytes: &mut Vec<u8>) -> Result<Loaded, InodeError> {
        let mut inode = self.read(found)?;
        if self.options.omits(&inode.stat) {
            return Ok(Loaded::Omitted { path: inode.member.path });
        }
        self.options.apply(&mut inode.member);
        let Some(file) = self.data_to_copy(&inode).filter(|_| !self.snapshots.is_needed(&inode)) else {
            return Ok(Loaded::Inode { inode: inode.into(), data: None });
        };
        let start = bytes.len();
        if self.is_position_independent(&inode)
            && let Some(changed) = self.encode(&inode, file, bytes)?
            && !(changed && self.snapshots.are_possible())
        {
            let size = inode.member.size();
            let Inode { member, has_flags, .. } = inode;
            return Ok(Loaded::Encoded { path: member.path, bytes: start..bytes.len(), size, changed, has_flags });
        }
        bytes.truncate(start);
        let whole = read_data(file, inode.member.size(), bytes);
        // The packer reads it again, and reports what is wrong.
        Ok(Loaded::Inode { inode: inode.into(), data: whole.then_some(start..bytes.len()) })
    }

    /// Looks again, a few times, at a name that became another file's between two looks.
    fn read(&self, found: Found) -> Result<Inode, InodeError> {
        let Found { parent, name, path, file_type } = found;
        let read =
            |file_type| read_inode_of(file_type, &parent, os(name.to_bytes()), path.clone(), self.options.keep_xattr);
        let mut inode = read(file_type);
        for _ in 0..ATTEMPTS {
            match inode {
                Err(error) if error.is_of_a_name_in_motion() => inode = read(FileType::Unknown),
                _ => break,
            }
        }
        inode
    }

    /// The data of a file that is too small for anything else.
    fn data_to_copy<'i>(&self, inode: &'i Inode) -> Option<&'i File> {
        let is_small = inode.member.size() < self.copied_below;
        let is_cloned = self.clone_policy == ClonePolicy::Required && self.layout.aligns(&inode.member);
        inode.data.as_ref().filter(|_| is_small && !is_cloned)
    }

    /// Whether it is the same bytes at any offset and after any members: not aligned, and no link.
    fn is_position_independent(&self, inode: &Inode) -> bool {
        !self.layout.aligns(&inode.member) && inode.stat.st_nlink == 1
    }

    /// Appends the whole member to `bytes` and says whether it changed meanwhile; `None` if that could not be done.
    fn encode(&self, inode: &Inode, file: &File, bytes: &mut Vec<u8>) -> Result<Option<bool>, InodeError> {
        let size = inode.member.size();
        if self.layout.push_headers(&inode.member, 0, bytes).is_err() || !read_data(file, size, bytes) {
            return Ok(None);
        }
        bytes.extend_from_slice(filling(size));
        inode.has_changed().map(Some)
    }
}

/// Appends `size` bytes of `file`; `false` if it has fewer.
fn read_data(file: &File, size: u64, bytes: &mut Vec<u8>) -> bool {
    let end = bytes.len() + size as usize;
    let mut offset = 0;
    while bytes.len() < end {
        // Memory that a read fills need not be zeros before.
        bytes.reserve(end - bytes.len());
        match pread(file, spare_capacity(bytes), offset) {
            Ok(0) | Err(_) => return false,
            Ok(read) => offset += read as u64,
        }
    }
    bytes.truncate(end);
    true
}
