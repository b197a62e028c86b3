//! Trees out: makes members below an open directory, data by clone, and never touches anything outside it.
//!
//! A member goes one way, from its entry to its finished file:
//!
//! ```text
//! Entry
//!   │  is it refused?           SafePath, Refusal
//!   ▼
//! its parent directory          open_parent ── open_dirs, made_symlinks
//!   │
//!   ▼
//! its name, made anew           directory, special_file, hard_link ── replace
//!   │                           regular_file ── job ── pipeline (threads) ── new_file
//!   ▼
//! its data                      transport ── fill, shared_archive
//!   │
//!   ▼
//! its attributes                attributes ── file_ref
//!   │
//!   ▼
//! at the end                    waiting_links, then pending_directories, the deepest first
//! ```
//!
//! `unpacker` holds what is kept from one member to the next. `settle` takes back what the threads could not do alone.

mod attributes;
mod context;
mod dir_entry;
mod directory;
mod error;
mod file_ref;
mod fill;
mod hard_link;
mod job;
mod made_symlinks;
mod named_acls;
mod new_file;
mod observer;
mod open_dirs;
mod open_parent;
mod options;
mod parents;
mod pending_directories;
mod pipeline;
mod regular_file;
mod replace;
mod settle;
mod shared_archive;
mod special_file;
mod transport;
mod unpacker;
mod waiting_links;

use std::os::fd::AsFd;

use rustix::fs::fstat;

use crate::entry::Entry;
use crate::member::{Kind, Member};
use crate::safe_path::SafePath;
use crate::source::Source;
use crate::transfer::Transferred;
use context::Context;
use dir_entry::{DirEntry, InodeId};
pub use error::{Refusal, UnpackError};
pub use observer::UnpackObserver;
use open_parent::Missing;
pub use options::{Permissions, UnpackOptions};
pub use parents::{Parents, PlainParents};
pub use pending_directories::directory_bytes;
use pipeline::Pipeline;
pub use unpacker::Unpacker;

impl Unpacker<'_> {
    /// Makes the member of `entry`, whose data comes from `source`. Returns what moved since the last call.
    ///
    /// With a [`Reader`](crate::Reader), `source` is its [`source_mut`](crate::Reader::source_mut). If that is
    /// a stream, call this before the reader goes on. Data that threads still move is counted later.
    ///
    /// # Errors
    /// [`UnpackError`], which names the member; with threads, this may be an earlier member. With an observer, only
    /// what the observer returns.
    pub fn unpack<S: Source + ?Sized>(&mut self, entry: &Entry, source: &mut S) -> Result<Transferred, UnpackError> {
        let before = self.moved;
        let done = self.pipeline.as_mut().map(Pipeline::collect);
        self.count(done.unwrap_or_default());
        self.tell()?;
        if let Err(error) = self.make(&named_acls::with_ids(entry), source) {
            self.fail(error);
        }
        self.tell()?;
        Ok(self.moved - before)
    }

    fn make<S: Source + ?Sized>(&mut self, entry: &Entry, source: &mut S) -> Result<(), UnpackError> {
        let at = Context { path: &entry.member.path, offset: entry.header_offset };
        let path = SafePath::new(at.path).map_err(|bad| at.refused(Refusal::Path(bad)))?;
        let Some((above, _)) = path.split() else {
            return self.root_member(at, path, &entry.member);
        };
        self.wait_for(path.as_bytes());
        let folder = self.open_parent(at, above, Missing::Make)?;
        let path = folder.real_path(path);
        self.take_name(&path);
        if let Kind::HardLink { target } = &entry.member.kind {
            return self.hard_link(at, folder.descriptor, path, target);
        }
        let (_, name) = path.split().expect("it is below the root");
        let dirent = DirEntry { at, parent: folder.descriptor.as_fd(), name };
        match &entry.member.kind {
            Kind::Directory => self.directory(dirent, &path, &entry.member),
            Kind::Regular { .. } => self.regular(at, &path, &folder, entry, source),
            _ => self.special(dirent, &path, &entry.member),
        }
    }

    /// The root exists already, so only its attributes are set, at the end.
    fn root_member(&mut self, at: Context<'_>, path: SafePath, member: &Member) -> Result<(), UnpackError> {
        if member.kind != Kind::Directory {
            return Err(at.refused(Refusal::Root));
        }
        let stat = fstat(self.root).map_err(at.failed("fstat"))?;
        let attributes = self.attributes(at, member)?;
        self.directories.add(at, path, InodeId::of(&stat), attributes)
    }

    /// Waits for the threads, makes the links that had to wait, and sets the attributes of the directories, even after
    /// an error. Returns the counts of all that moved.
    ///
    /// # Errors
    /// As [`Unpacker::unpack`].
    pub fn finish(mut self) -> Result<Transferred, UnpackError> {
        self.settle();
        self.pipeline = None;
        self.make_later_links();
        let directories = std::mem::take(&mut self.directories);
        let (root, resolver) = (self.root, self.options.resolver);
        directories.finish(root, resolver, |error| self.fail(error));
        self.tell()?;
        Ok(self.moved)
    }
}
