//! Trees out: makes members below an open directory, data by clone, and never touches anything outside it.
//!
//! ```text
//! Entry ── refused? ── parent directory ── name made anew ── data, owner, xattrs, mode, times ── (directories: last)
//!          data        folders, beneath    new_file, make    fill, attributes                    directories
//!                                          └─ regular files: pipeline ─┘
//! ```

mod attributes;
mod data;
mod directories;
mod error;
mod fill;
mod folders;
mod job;
mod make;
mod named_acls;
mod new_file;
mod options;
mod parents;
mod pipeline;
mod place;
mod shared_archive;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::align::Alignment;
use crate::beneath::SafePath;
use crate::entry::Entry;
use crate::member::{Kind, Member};
use crate::shown::lossy;
use crate::source::Source;
use crate::transfer::Transferred;
use attributes::Attributes;
use directories::Directories;
pub use error::{Refusal, UnpackError};
use fill::Means;
use folders::{Folder, Folders};
use job::{Done, NotDone};
pub use options::UnpackOptions;
pub use parents::{Parents, PlainParents};
use pipeline::Pipeline;
use place::{Context, Place};
use shared_archive::SharedArchive;

/// Capacity up to which the memory of a file's data is used again, in bytes: that of most files. There are as many as
/// files on their way at once, so larger ones would keep more memory than [`pipeline`] allows for.
const SPARE_BYTES: usize = 4096;

/// Makes members below one directory, in the order they are handed in.
///
/// Existing files are replaced by unlink, never written through; existing directories are kept. Attributes of
/// directories are set by [`Unpacker::finish`], since making what is in them changes their times. Runs of zeros, 64 KiB
/// at multiples of 64 KiB, become holes where data goes through memory; where it does not, holes of the archive stay.
///
/// A file that could not be made whole is removed again. Dropped without [`Unpacker::finish`], it waits for its
/// threads; directories then keep mode 0700.
pub struct Unpacker<'a> {
    root: BorrowedFd<'a>,
    options: UnpackOptions<'a>,
    parents: &'a mut dyn Parents,
    means: Means,
    folders: Folders,
    directories: Directories,
    pipeline: Option<Pipeline>,
    archive: SharedArchive,
    buffer: Vec<u8>,
    /// Memory of data that is written, for the next.
    spare: Vec<Vec<u8>>,
    moved: Transferred,
    /// Of members that were taken as made before their threads came back; one is told at a time.
    failed: VecDeque<UnpackError>,
}

impl<'a> Unpacker<'a> {
    /// Unpacks below `root`.
    ///
    /// # Errors
    /// [`UnpackError::Alignment`] if the file system of `root` does not tell its block size; [`UnpackError::Thread`].
    pub fn new(
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
    ) -> Result<Self, UnpackError> {
        let means = Means { fs_block: Alignment::of(root)?, clone_policy: options.clone_policy };
        let workers = NonZeroUsize::new(options.threads.get() - 1);
        Ok(Unpacker {
            root,
            parents,
            means,
            folders: Folders::default(),
            directories: Directories::new(options.pending_bytes),
            pipeline: workers.map(|workers| Pipeline::start(workers, means)).transpose()?,
            archive: SharedArchive::default(),
            buffer: Vec::new(),
            spare: Vec::new(),
            moved: Transferred::default(),
            failed: VecDeque::new(),
            options,
        })
    }

    /// Makes the member of `entry`, whose data comes from `source`, and gives what moved since the call before.
    ///
    /// With a [`Reader`](crate::Reader), `source` is its [`source_mut`](crate::Reader::source_mut): that of a stream
    /// must be asked before the reader goes on. With threads, data that is still on its way is counted later.
    ///
    /// # Errors
    /// [`UnpackError`], which names the member. With threads, that can be one before, and then this one has not been
    /// begun. The unpacker can go on after an error.
    pub fn unpack<S: Source + ?Sized>(&mut self, entry: &Entry, source: &mut S) -> Result<Transferred, UnpackError> {
        let before = self.moved;
        let done = self.pipeline.as_mut().map(Pipeline::collect);
        self.count(done.unwrap_or_default());
        self.tell()?;
        self.make(&named_acls::with_ids(entry), source)?;
        Ok(self.moved - before)
    }

    /// Waits for the threads, gives the directories their attributes, and the counts of all that moved.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn finish(mut self) -> Result<Transferred, UnpackError> {
        self.wait()?;
        self.pipeline = None;
        self.directories.finish(self.root, self.options.resolver)?;
        Ok(self.moved)
    }

    /// Waits until no thread has anything to make. Only for a member that has not been begun: an error is of one before,
    /// and ends the work on this one.
    fn wait(&mut self) -> Result<(), UnpackError> {
        self.settle();
        self.tell()
    }

    /// Waits if a thread is to make `path`.
    fn wait_for(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        if self.pipeline.as_ref().is_some_and(|pipeline| pipeline.has(path)) { self.wait() } else { Ok(()) }
    }

    /// As [`Unpacker::wait_for`], for `path` and all that is above it.
    fn wait_for_way(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            self.wait_for(&path[..slash])?;
        }
        self.wait_for(path)
    }

    fn tell(&mut self) -> Result<(), UnpackError> {
        self.failed.pop_front().map_or(Ok(()), Err)
    }

    /// Waits until nothing is on its way, whatever came of it.
    fn settle(&mut self) {
        let done = self.pipeline.as_mut().map(Pipeline::wait);
        self.count(done.unwrap_or_default());
    }

    /// Errors are kept for later: they are of other members than the one at work.
    ///
    /// A job that came back is done when no thread has anything to make, and after those that came before it in the
    /// archive: it may need what they make, or have to remove a directory that is in its way.
    fn count(&mut self, mut done: Vec<Done>) {
        if done.iter().any(Done::is_to_do_again) {
            let others = self.pipeline.as_mut().map(Pipeline::wait);
            done.extend(others.unwrap_or_default());
            done.sort_by_key(|done| done.offset);
        }
        for Done { outcome, buffer, .. } in done {
            self.spare.extend(buffer.filter(|buffer| buffer.capacity() <= SPARE_BYTES));
            match outcome {
                Ok(moved) => self.moved += moved,
                Err(NotDone::Failed(error)) => self.failed.push_back(error),
                Err(NotDone::Occupied(job)) => {
                    let completed = self.complete_anyway(*job);
                    self.failed.extend(completed.err());
                }
            }
        }
    }

    fn make<S: Source + ?Sized>(&mut self, entry: &Entry, source: &mut S) -> Result<(), UnpackError> {
        let at = Context { path: &entry.member.path, offset: entry.header_offset };
        let path = SafePath::new(at.path).map_err(|bad| at.refused(Refusal::Path(bad)))?;
        let Some((_, name)) = path.split() else {
            return self.root_member(at, path, &entry.member);
        };
        self.wait_for(path.as_bytes())?;
        let parent = self.open_parent(at, &path)?.descriptor.clone();
        if let Kind::HardLink { target } = &entry.member.kind {
            return self.hard_link(at, parent, path, target);
        }
        let place = Place { at, parent: parent.as_fd(), name };
        match &entry.member.kind {
            Kind::Directory => self.directory(place, &path, &entry.member),
            Kind::Regular { .. } => self.regular(at, &path, entry, source),
            _ => self.special(place, &path, &entry.member),
        }
    }

    /// The root is there; only what is no directory can be wrong with it.
    fn root_member(&mut self, at: Context<'_>, path: SafePath, member: &Member) -> Result<(), UnpackError> {
        if member.kind != Kind::Directory {
            return Err(at.refused(Refusal::Root));
        }
        self.directories.add(at, path, Attributes::of(at, member, &self.options)?)
    }

    fn open_parent(&mut self, at: Context<'_>, path: &SafePath) -> Result<&mut Folder, UnpackError> {
        let (path, _) = path.split().expect("the root has no parent, and is seen to before");
        // A file may be on its way to take the directory's place, if that is empty.
        self.wait_for(path)?;
        // Looked up twice: a borrow that is returned from one branch lasts through the other.
        if self.folders.get(path).is_none() {
            self.wait_for_way(path)?;
            let open = |root| self.options.resolver.open(root, path, OFlags::PATH);
            let opened = match open(self.root) {
                Err(Errno::NOENT) => {
                    let made = self.parents.make(self.root, path);
                    made.map_err(|source| UnpackError::Parent { path: lossy(at.path), offset: at.offset, source })?;
                    open(self.root)
                }
                opened => opened,
            };
            self.folders.keep(path, opened.map_err(|errno| at.unresolved(errno))?);
        }
        Ok(self.folders.get(path).expect("it was kept just now, if not before"))
    }
}
