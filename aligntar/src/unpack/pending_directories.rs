//! Directories whose attributes wait until everything is in them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{OFlags, fstat};
use rustix::io::Errno;

use super::attributes::{Attributes, heap_bytes};
use super::context::Context;
use super::dir_entry::InodeId;
use super::error::{Refusal, UnpackError};
use super::file_ref::FileRef;
use crate::beneath::Resolver;
use crate::member::Member;
use crate::safe_path::SafePath;

struct Pending {
    offset: u64,
    inode: InodeId,
    attributes: Attributes,
}

/// By path: a directory that an archive has many times takes its room once, and the last one counts.
#[derive(Default)]
pub(super) struct PendingDirectories {
    pending: BTreeMap<SafePath, Pending>,
    bytes: usize,
    limit: usize,
}

impl PendingDirectories {
    /// Takes at most `limit` bytes of memory.
    pub(super) fn new(limit: usize) -> Self {
        PendingDirectories { pending: BTreeMap::new(), bytes: 0, limit }
    }

    /// `inode` is the directory that `path` leads to now.
    pub(super) fn add(
        &mut self,
        at: Context<'_>,
        path: SafePath,
        inode: InodeId,
        attributes: Attributes,
    ) -> Result<(), UnpackError> {
        self.remove(&path);
        let pending = Pending { offset: at.offset, inode, attributes };
        self.bytes += bytes(&path, &pending);
        if self.bytes > self.limit {
            return Err(at.refused(Refusal::TooManyDirectories { limit: self.limit }));
        }
        self.pending.insert(path, pending);
        Ok(())
    }

    /// Forgets a directory that is there no longer.
    pub(super) fn remove(&mut self, path: &SafePath) {
        if let Some(pending) = self.pending.remove(path) {
            self.bytes -= bytes(path, &pending);
        }
    }

    /// Sets the attributes of all of them, those below before those above, whose mode may close the way. `tell` hears
    /// what went wrong.
    pub(super) fn finish(self, root: BorrowedFd<'_>, resolver: Resolver, mut tell: impl FnMut(UnpackError)) {
        for (path, pending) in self.pending.into_iter().rev() {
            let name = if path.as_bytes().is_empty() { b"." } else { path.as_bytes() };
            let at = Context { path: name, offset: pending.offset };
            match pending.finish(at, root, resolver, path.as_bytes()) {
                Ok(wrong) => wrong.into_iter().for_each(&mut tell),
                Err(error) => tell(error),
            }
        }
    }
}

impl Pending {
    fn finish(
        self,
        at: Context<'_>,
        root: BorrowedFd<'_>,
        resolver: Resolver,
        path: &[u8],
    ) -> Result<Vec<UnpackError>, UnpackError> {
        let open = |access| resolver.open(root, path, access);
        let (directory, is_open) = match open(OFlags::RDONLY) {
            // A directory that was there before may be closed to its owner.
            Err(Errno::ACCESS) => (open(OFlags::PATH), false),
            opened => (opened, true),
        };
        let directory = directory.map_err(|errno| at.unresolved(errno))?;
        let stat = fstat(&directory).map_err(at.failed("fstat"))?;
        if InodeId::of(&stat) != self.inode {
            return Err(at.refused(Refusal::Replaced));
        }
        let handle = if is_open { FileRef::Open(directory.as_fd()) } else { FileRef::Path(directory.as_fd()) };
        Ok(self.attributes.give(at, handle, &stat))
    }
}

/// Bytes of [`UnpackOptions::pending_bytes`](super::UnpackOptions::pending_bytes) that the directory `member` takes at most.
pub fn directory_bytes(member: &Member) -> usize {
    room(member.path.len(), heap_bytes(&member.xattrs))
}

fn bytes(path: &SafePath, pending: &Pending) -> usize {
    room(path.as_bytes().len(), pending.attributes.heap_bytes())
}

/// What one entry takes: itself and what it points to; the map's nodes are at least half full.
fn room(path: usize, attributes: usize) -> usize {
    2 * (size_of::<SafePath>() + size_of::<Pending>()) + path + attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Kind;
    use crate::unpack::UnpackOptions;

    fn add(directories: &mut PendingDirectories, path: &str) -> Result<(), UnpackError> {
        let at = Context { path: path.as_bytes(), offset: 512 };
        let member = Member::new(path, Kind::Directory, 0o755);
        let attributes = Attributes::of(&member, &UnpackOptions::default());
        directories.add(at, SafePath::new(path.as_bytes()).unwrap(), InodeId::new(1, 1), attributes)
    }

    #[test]
    fn the_same_directory_takes_its_room_once() {
        let mut directories = PendingDirectories::new(4096);
        for _ in 0..100_000 {
            add(&mut directories, "a/b").unwrap();
        }
        directories.remove(&SafePath::new(b"a/b").unwrap());
        assert_eq!((directories.bytes, directories.pending.len()), (0, 0));
    }

    #[test]
    fn too_many_directories_are_refused() {
        let mut directories = PendingDirectories::new(1 << 20);
        let error = (0..100_000).find_map(|number| add(&mut directories, &format!("d{number}")).err()).unwrap();
        let expected = Refusal::TooManyDirectories { limit: 1 << 20 };
        assert!(matches!(error, UnpackError::Refused { why, .. } if why == expected), "{error}");
        assert!(directories.pending.len() > 2000, "{}", directories.pending.len());
    }
}
