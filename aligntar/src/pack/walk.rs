//! The names of a tree, depth first and in byte order.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};
use rustix::io::Errno;

use super::{ChangePolicy, PackError, PackOptions};
use crate::beneath::Resolver;
use crate::shown::lossy;

/// One name in a tree.
pub(super) struct Found {
    pub(super) parent: Arc<OwnedFd>,
    pub(super) name: CString,
    /// The member's path in the archive.
    pub(super) path: Vec<u8>,
    /// What readdir(3) says it is; it may be something else by now.
    pub(super) file_type: FileType,
}

/// What is below a root, without the root itself.
pub(super) struct Walk<'w> {
    root: BorrowedFd<'w>,
    prefix: &'w [u8],
    options: PackOptions<'w>,
    here: Directory,
    above: Vec<Closed>,
    /// The directory that was found last; what is in it comes next.
    next: Option<Vec<u8>>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(root: BorrowedFd<'w>, prefix: &'w [u8], options: PackOptions<'w>) -> Result<Self, PackError> {
        let here = Directory::open(root, Vec::new())?;
        Ok(Walk { root, prefix, options, here, above: Vec::new(), next: None })
    }

    /// The next name; `None` behind the last one.
    pub(super) fn next_name(&mut self) -> Result<Option<Found>, PackError> {
        self.descend()?;
        loop {
            let Some((name, file_type)) = self.here.names.pop() else {
                let Some(parent) = self.above.pop() else { return Ok(None) };
                self.here = Directory::reopen(self.root, parent)?;
                continue;
            };
            let prefix = if self.prefix == b"." { b"" } else { self.prefix };
            let path = join(&[prefix, &self.here.path, name.to_bytes()]);
            if (self.options.exclude)(&path) {
                continue;
            }
            if file_type == FileType::Directory {
                self.next = Some(join(&[&self.here.path, name.to_bytes()]));
            }
            return Ok(Some(Found { parent: self.here.fd.clone(), name, path, file_type }));
        }
    }

    fn descend(&mut self) -> Result<(), PackError> {
        let Some(below) = self.next.take() else { return Ok(()) };
        match Directory::open(self.root, below) {
            Ok(child) => self.above.push(std::mem::replace(&mut self.here, child).close()),
            // It is gone, or something else by now: whoever reads its inode finds out, too.
            Err(PackError::ReadDir { source: Errno::NOENT | Errno::NOTDIR | Errno::LOOP, .. })
                if self.options.changes == ChangePolicy::List => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Names and what they are, in reverse order: the next one is the last.
type Names = Vec<(CString, FileType)>;

/// A directory that is being walked.
struct Directory {
    path: Vec<u8>,
    /// What is left of it.
    names: Names,
    fd: Arc<OwnedFd>,
}

/// A directory to come back to. It is not kept open: a tree may be deeper than the limit of open files.
struct Closed {
    path: Vec<u8>,
    names: Names,
}

impl Directory {
    fn open(root: BorrowedFd<'_>, path: Vec<u8>) -> Result<Self, PackError> {
        let read_error = |source| PackError::ReadDir { path: lossy(&path), source };
        let fd = open_below(root, &path).map_err(read_error)?;
        let names = names(&fd).map_err(read_error)?;
        Ok(Directory { path, names, fd: Arc::new(fd) })
    }

    fn close(self) -> Closed {
        Closed { path: self.path, names: self.names }
    }

    fn reopen(root: BorrowedFd<'_>, Closed { path, names }: Closed) -> Result<Self, PackError> {
        let fd = open_below(root, &path).map_err(|source| PackError::ReadDir { path: lossy(&path), source })?;
        Ok(Directory { path, names, fd: Arc::new(fd) })
    }
}

fn open_below(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    Resolver::of_kernel().open(root, path, OFlags::RDONLY)
}

/// What is in `directory` but `.` and `..`.
fn names(directory: &OwnedFd) -> Result<Names, Errno> {
    let mut names = Names::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            let file_type = match entry.file_type() {
                // Some file systems leave that to stat(2), see readdir(3).
                FileType::Unknown => stat_type(directory, entry.file_name())?,
                known => known,
            };
            names.push((entry.file_name().to_owned(), file_type));
        }
    }
    names.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    Ok(names)
}

fn stat_type(directory: &OwnedFd, name: &std::ffi::CStr) -> Result<FileType, Errno> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(errno) => Err(errno),
    }
}

/// With slashes between; empty parts are left out.
fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut path = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    path
}
