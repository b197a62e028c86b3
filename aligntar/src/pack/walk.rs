//! The names of a tree, depth first and in byte order.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use super::error::PackError;
use super::options::{ChangePolicy, PackOptions, UnreadablePolicy};
use crate::shown::lossy;

/// Directories that are kept open on the way down; a tree may be deeper than the limit of open files.
const KEPT_OPEN: usize = 64;

/// One name in a tree.
pub(super) struct Found {
    pub(super) parent: Arc<OwnedFd>,
    /// In `parent`; `.` for a directory that was opened, so that what is below it is below a directory in the archive
    /// as well, whatever has its name meanwhile.
    pub(super) name: CString,
    /// The member's path in the archive.
    pub(super) path: Vec<u8>,
    /// What readdir(3) says it is; it may be something else by now.
    pub(super) file_type: FileType,
}

/// What is below a root, without the root itself. No call is given more than one name, so paths may be of any length.
pub(super) struct Walk<'w> {
    prefix: &'w [u8],
    options: PackOptions<'w>,
    here: Directory,
    above: Vec<Above>,
    /// The one device whose directories are entered; if there is none, all are.
    device: Option<u64>,
    /// Directories that could not be found again, as others had moved what is below them.
    lost: Vec<Vec<u8>>,
    /// Directories that could not be read.
    unreadable: Vec<PackError>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(root: BorrowedFd<'w>, prefix: &'w [u8], options: PackOptions<'w>) -> Result<Self, PackError> {
        let fd = open(root, c".").map_err(read_error(prefix))?;
        let here = Directory::of(fd, Vec::new()).map_err(read_error(prefix))?;
        let device = options.one_file_system.then(|| inode(&here.fd)).transpose().map_err(read_error(prefix))?;
        let device = device.map(|(device, _)| device);
        Ok(Walk { prefix, options, here, above: Vec::new(), device, lost: Vec::new(), unreadable: Vec::new() })
    }

    /// The next name; `None` behind the last one.
    pub(super) fn next_name(&mut self) -> Result<Option<Found>, PackError> {
        loop {
            let Some((name, file_type)) = self.here.names.pop() else {
                if self.ascend()? { continue } else { return Ok(None) }
            };
            let path = join(&[self.prefix(), &self.here.path, name.to_bytes()]);
            if (self.options.exclude)(&path) {
                continue;
            }
            if file_type == FileType::Directory && self.descend(&name)? {
                return Ok(Some(Found { parent: self.here.fd.clone(), name: c".".into(), path, file_type }));
            }
            return Ok(Some(Found { parent: self.here.fd.clone(), name, path, file_type }));
        }
    }

    fn prefix(&self) -> &'w [u8] {
        if self.prefix == b"." { b"" } else { self.prefix }
    }

    /// An error of the directory `below` the root.
    fn read_error(&self, below: &[u8]) -> impl FnOnce(Errno) -> PackError + use<> {
        read_error(&join(&[self.prefix(), below]))
    }

    /// Goes into a directory; `false` if it is not to be entered, cannot be read, is gone, or is something else by now,
    /// and that is no error.
    fn descend(&mut self, name: &CStr) -> Result<bool, PackError> {
        let path = join(&[&self.here.path, name.to_bytes()]);
        let opened = open(&self.here.fd, name).and_then(|fd| Directory::of(fd, path.clone()));
        let child = match opened {
            Ok(child) if self.is_elsewhere(&child).map_err(self.read_error(&path))? => return Ok(false),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if self.options.changes == ChangePolicy::List => {
                return Ok(false);
            }
            Err(errno) if self.options.unreadable == UnreadablePolicy::List => {
                self.unreadable.push(self.read_error(&path)(errno));
                return Ok(false);
            }
            opened => opened.map_err(self.read_error(&path))?,
        };
        let keep = self.above.len() < KEPT_OPEN;
        let here = std::mem::replace(&mut self.here, child);
        self.above.push(if keep { Above::Open(here) } else { self.close(here)? });
        Ok(true)
    }

    fn is_elsewhere(&self, directory: &Directory) -> Result<bool, Errno> {
        self.device.map_or(Ok(false), |here| Ok(inode(&directory.fd)?.0 != here))
    }

    fn close(&self, Directory { path, names, fd }: Directory) -> Result<Above, PackError> {
        let inode = inode(&fd).map_err(self.read_error(&path))?;
        Ok(Above::Closed(Closed { path, names, inode }))
    }

    /// Goes back to the directory above; `false` at the root.
    fn ascend(&mut self) -> Result<bool, PackError> {
        let Some(above) = self.above.pop() else { return Ok(false) };
        self.here = match above {
            Above::Open(directory) => directory,
            Above::Closed(closed) => self.reopen(closed)?,
        };
        Ok(true)
    }

    /// Finds the directory again as `..` of the one below. If that was moved, no way leads back.
    fn reopen(&mut self, Closed { path, mut names, inode: before }: Closed) -> Result<Directory, PackError> {
        let above = open(&self.here.fd, c"..").and_then(|fd| Ok((inode(&fd)?, fd)));
        let fd = match above {
            Ok((inode, fd)) if inode == before => Arc::new(fd),
            above if self.options.changes == ChangePolicy::Error => {
                above.map_err(self.read_error(&path))?;
                return Err(PackError::Changed { path: lossy(&path) });
            }
            _ => {
                names.clear();
                self.lost.push(path.clone());
                self.here.fd.clone()
            }
        };
        Ok(Directory { path, names, fd })
    }

    /// What is missing from the archive, as it was moved, and what could not be read.
    pub(super) fn into_missing(self) -> (Vec<Vec<u8>>, Vec<PackError>) {
        (self.lost, self.unreadable)
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

/// A directory to come back to.
enum Above {
    Open(Directory),
    Closed(Closed),
}

/// What is left of a directory, to be found again as the one above.
struct Closed {
    path: Vec<u8>,
    names: Names,
    inode: (u64, u64),
}

impl Directory {
    fn of(fd: OwnedFd, path: Vec<u8>) -> Result<Self, Errno> {
        let names = names(&fd)?;
        Ok(Directory { path, names, fd: Arc::new(fd) })
    }
}

fn read_error(path: &[u8]) -> impl FnOnce(Errno) -> PackError + use<> {
    let path = lossy(path);
    move |source| PackError::ReadDir { path, source }
}

fn open(parent: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn inode(directory: &OwnedFd) -> Result<(u64, u64), Errno> {
    fstat(directory).map(|stat| (stat.st_dev, stat.st_ino))
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

fn stat_type(directory: &OwnedFd, name: &CStr) -> Result<FileType, Errno> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(errno) => Err(errno),
    }
}

/// Joins the parts with slashes; empty ones are left out.
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
