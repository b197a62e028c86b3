//! Trees in: walks directories and appends what is there.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::inode::{Inode, InodeError, XattrFilter, os, read_inode};
use crate::member::Kind;
use crate::transfer::Transferred;
use crate::writer::{WriteError, Writer, lossy};

/// Why a tree could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// An inode could not be read.
    #[error(transparent)]
    Inode(#[from] InodeError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A directory could not be read.
    #[error("read directory {path:?}")]
    ReadDir {
        /// Its path below the root.
        path: String,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}

/// What to do with sockets, which tar cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketPolicy {
    /// [`InodeError::Socket`].
    #[default]
    Error,
    /// Leave them out and list them in [`Packer::omitted_sockets`].
    Omit,
}

/// Told of each member once it is in the archive: its path there, and how its data moved.
pub type OnMember<'a> = &'a mut dyn FnMut(&[u8], Transferred);

/// Appends trees to an archive, in the order of their names; further names of an inode become hard links, across
/// all trees of one packer.
pub struct Packer<'p, 'f> {
    writer: &'p mut Writer<'f>,
    keep_xattr: XattrFilter<'p>,
    sockets: SocketPolicy,
    links: HashMap<(u64, u64), Vec<u8>>,
    omitted_sockets: Vec<Vec<u8>>,
    on_member: OnMember<'p>,
}

impl<'p, 'f> Packer<'p, 'f> {
    /// A packer that takes the extended attributes `keep_xattr` names.
    pub fn new(
        writer: &'p mut Writer<'f>,
        keep_xattr: XattrFilter<'p>,
        sockets: SocketPolicy,
        on_member: OnMember<'p>,
    ) -> Self {
        Packer { writer, keep_xattr, sockets, links: HashMap::new(), omitted_sockets: Vec::new(), on_member }
    }

    /// Appends the directory `root` as the member `prefix` (`.` for none), and everything below it.
    ///
    /// Depth first, names in byte order: GNU tar gives a directory its time back at the first member outside of it.
    ///
    /// # Errors
    /// [`PackError`]; the archive is incomplete then.
    pub fn pack_tree(&mut self, root: impl AsFd, prefix: &[u8]) -> Result<(), PackError> {
        let root = root.as_fd();
        self.pack_one(root, OsStr::new("."), prefix.to_vec())?;
        let mut directory = Directory::open(root, Vec::new())?;
        let mut above = Vec::new();
        loop {
            let Some(name) = directory.names.pop() else {
                let Some(parent) = above.pop() else { return Ok(()) };
                directory = Directory::reopen(root, parent)?;
                continue;
            };
            let below = join(&directory.path, name.as_bytes());
            let path = if prefix == b"." { below.clone() } else { join(prefix, &below) };
            if self.pack_one(&directory.fd, os(name.as_bytes()), path)? == Some(Kind::Directory) {
                let child = Directory::open(root, below)?;
                above.push(std::mem::replace(&mut directory, child).close());
            }
        }
    }

    /// Appends `name` of the directory `parent` as the member `path`, without what may be below it; gives its kind,
    /// `None` for a socket left out.
    ///
    /// # Errors
    /// [`PackError`]; the archive is incomplete then.
    pub fn pack_one(&mut self, parent: impl AsFd, name: &OsStr, path: Vec<u8>) -> Result<Option<Kind>, PackError> {
        let inode = match read_inode(parent, name, path.clone(), self.keep_xattr) {
            Err(InodeError::Socket { .. }) if self.sockets == SocketPolicy::Omit => {
                self.omitted_sockets.push(path);
                return Ok(None);
            }
            read => read?,
        };
        self.append(inode).map(Some)
    }

    /// Appends an inode that was read already, with data from where the caller says.
    ///
    /// # Errors
    /// [`PackError::Write`]; the archive is incomplete then.
    pub fn append(&mut self, mut inode: Inode) -> Result<Kind, PackError> {
        let member = &mut inode.member;
        if inode.stat.st_nlink > 1 && member.kind != Kind::Directory {
            let identity = (inode.stat.st_dev, inode.stat.st_ino);
            if let Some(first) = self.links.get(&identity) {
                member.kind = Kind::HardLink { target: first.clone() };
                inode.data = None;
            } else {
                self.links.insert(identity, member.path.clone());
            }
        }
        let before = self.writer.moved();
        match &inode.data {
            Some(data) => self.writer.append_file(member, data)?,
            None => self.writer.append(member)?,
        }
        (self.on_member)(&member.path, self.writer.moved() - before);
        Ok(inode.member.kind)
    }

    /// Paths of sockets that were left out under [`SocketPolicy::Omit`].
    pub fn omitted_sockets(&self) -> &[Vec<u8>] {
        &self.omitted_sockets
    }
}

/// A directory that is being packed.
struct Directory {
    path: Vec<u8>,
    /// What is left of it, the next one last.
    names: Vec<CString>,
    fd: OwnedFd,
}

/// A directory to come back to. It is not kept open: a tree may be deeper than the limit of open files.
struct Closed {
    path: Vec<u8>,
    names: Vec<CString>,
}

impl Directory {
    fn open(root: BorrowedFd<'_>, path: Vec<u8>) -> Result<Self, PackError> {
        let read_error = |source| PackError::ReadDir { path: lossy(&path), source };
        let fd = open_below(root, &path).map_err(read_error)?;
        let mut names = sorted_names(&fd).map_err(read_error)?;
        names.reverse();
        Ok(Directory { path, names, fd })
    }

    fn close(self) -> Closed {
        Closed { path: self.path, names: self.names }
    }

    fn reopen(root: BorrowedFd<'_>, Closed { path, names }: Closed) -> Result<Self, PackError> {
        let fd = open_below(root, &path).map_err(|source| PackError::ReadDir { path: lossy(&path), source })?;
        Ok(Directory { path, names, fd })
    }
}

fn open_below(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(root, os(path), flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// The names in `directory` but `.` and `..`, in byte order.
fn sorted_names(directory: impl AsFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
