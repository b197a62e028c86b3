//! A regular file that is yet to be made. It owns all that this takes, so any thread can make it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, OFlags, Stat, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::attributes::{Attributes, Owner};
use super::context::Context;
use super::dir_entry::DirEntry;
use super::error::UnpackError;
use crate::inode::os;
use crate::safe_path::SafePath;

/// Where a file goes, and its attributes.
pub(super) struct NewFile {
    /// As the archive spells it.
    pub(super) archived: Vec<u8>,
    pub(super) offset: u64,
    /// Never the root.
    pub(super) path: SafePath,
    pub(super) parent: Arc<OwnedFd>,
    /// Who owns what is made in the parent, once that is known.
    pub(super) created_owner: Arc<OnceLock<Owner>>,
    pub(super) size: u64,
    pub(super) attributes: Attributes,
}

/// A new file, still empty.
pub(super) struct EmptyFile {
    pub(super) new: NewFile,
    pub(super) file: File,
    /// As it was created.
    pub(super) stat: Stat,
}

/// Why a file was not made.
pub(super) enum NotMade {
    Failed(UnpackError),
    /// A directory has the name, or something that cannot be removed. The calling thread decides.
    Occupied(Box<NewFile>),
}

impl NewFile {
    pub(super) fn at(&self) -> Context<'_> {
        Context { path: &self.archived, offset: self.offset }
    }

    pub(super) fn dirent(&self) -> DirEntry<'_> {
        let (_, name) = self.path.split().expect("a file is not the root");
        DirEntry { at: self.at(), parent: self.parent.as_fd(), name }
    }

    /// Makes the empty file. Another file of that name is removed first, never written through.
    pub(super) fn make(self) -> Result<EmptyFile, NotMade> {
        let at = self.at();
        let created = match self.create() {
            Err(Errno::EXIST) => match unlinkat(&self.parent, os(self.dirent().name), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => self.create(),
                Err(_) => return Err(NotMade::Occupied(Box::new(self))),
            },
            created => created,
        };
        let file = created.map_err(at.failed("create")).map_err(NotMade::Failed)?;
        let stat = fstat(&file).map_err(at.failed("fstat")).map_err(NotMade::Failed)?;
        let _ = self.created_owner.set((stat.st_uid, stat.st_gid));
        Ok(EmptyFile { new: self, file, stat })
    }

    fn create(&self) -> Result<File, Errno> {
        let mode = self.attributes.creation_mode(self.created_owner.get().copied());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.parent, os(self.dirent().name), flags, mode).map(File::from)
    }
}
