//! Trees out: makes members below an open directory, data by clone, and never touches anything outside it.
//!
//! ```text
//! Entry ── refused? ── parent directory ── name made anew ── data, owner, xattrs, mode, times ── (directories: last)
//!          data        enter, own_links     new_file, make    fill, attributes, handle            directories
//!                      folders, beneath     └─ regular files: pipeline ─┘
//! ```

mod attributes;
mod data;
mod directories;
mod enter;
mod error;
mod fill;
mod folders;
mod handle;
mod hard_links;
mod job;
mod later;
mod make;
mod named_acls;
mod new_file;
mod options;
mod own_links;
mod parents;
mod pipeline;
mod place;
mod shared_archive;
mod witness;

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::fstat;

use crate::align::Alignment;
use crate::beneath::SafePath;
use crate::entry::Entry;
use crate::member::{Kind, Member};
use crate::source::Source;
use crate::transfer::Transferred;
use attributes::Attributes;
use directories::Directories;
use enter::Missing;
pub use error::{Refusal, UnpackError};
use fill::{Filled, Imperfect, Means};
use folders::Folders;
use job::{Done, NotDone};
use later::LaterLinks;
pub use options::{Permissions, UnpackOptions};
use own_links::OwnLinks;
pub use parents::{Parents, PlainParents};
use pipeline::Pipeline;
use place::{Context, InodeId, Place};
use shared_archive::SharedArchive;
pub use witness::Witness;

/// Capacity up to which the memory of a file's data is used again, in bytes: that of most files. There are as many as
/// files on their way at once, so larger ones would keep more memory than [`pipeline`] allows for.
const SPARE_BYTES: usize = 4096;

/// Makes members below one directory, in the order they are handed in.
///
/// Existing files are replaced by unlink, never written through; existing directories are kept. Attributes of
/// directories are set by [`Unpacker::finish`], since making what is in them changes their times. Runs of zeros, 64 KiB
/// at multiples of 64 KiB, become holes where data goes through memory; where it does not, holes of the archive stay.
///
/// | | [`Unpacker::new`] | [`Unpacker::telling`] |
/// |---|---|---|
/// | a member that cannot be made | an error | told, the others are made |
/// | owner, attribute, mode or times that cannot be set | an error, the file is removed | told, the file stays without |
/// | a path through a symbolic link | an error | followed and told, if this run has made the link and it leads to a directory below the root |
/// | a hard link to a member that comes later | an error | made by [`Unpacker::finish`] |
///
/// A file whose data is not whole is removed again. Dropped without [`Unpacker::finish`], it waits for its threads;
/// directories then keep mode 0700.
pub struct Unpacker<'a> {
    root: BorrowedFd<'a>,
    options: UnpackOptions<'a>,
    parents: &'a mut dyn Parents,
    witness: Option<&'a mut dyn Witness>,
    means: Means,
    folders: Folders,
    directories: Directories,
    links: OwnLinks,
    later: LaterLinks,
    pipeline: Option<Pipeline>,
    archive: SharedArchive,
    buffer: Vec<u8>,
    /// Memory of data that is written, for the next.
    spare: Vec<Vec<u8>>,
    moved: Transferred,
    /// The first error that is to end the work, until it is given to the caller.
    stopped: Option<UnpackError>,
}

impl<'a> Unpacker<'a> {
    /// Unpacks below `root`, and gives up at the first error.
    ///
    /// # Errors
    /// [`UnpackError::Alignment`] if the file system of `root` does not tell its block size; [`UnpackError::Thread`].
    pub fn new(
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
    ) -> Result<Self, UnpackError> {
        Unpacker::start(root, options, parents, None)
    }

    /// Unpacks below `root` what can be unpacked; `witness` hears of the rest.
    ///
    /// # Errors
    /// As [`Unpacker::new`].
    pub fn telling(
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
        witness: &'a mut dyn Witness,
    ) -> Result<Self, UnpackError> {
        Unpacker::start(root, options, parents, Some(witness))
    }

    fn start(
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
        witness: Option<&'a mut dyn Witness>,
    ) -> Result<Self, UnpackError> {
        let imperfect = if witness.is_some() { Imperfect::Keep } else { Imperfect::Discard };
        let means = Means { fs_block: Alignment::of(root)?, clone_policy: options.clone_policy, imperfect };
        let workers = NonZeroUsize::new(options.threads.get() - 1);
        Ok(Unpacker {
            root,
            parents,
            witness,
            means,
            folders: Folders::default(),
            directories: Directories::new(options.pending_bytes),
            links: OwnLinks::default(),
            later: LaterLinks::new(options.pending_bytes),
            pipeline: workers.map(|workers| Pipeline::start(workers, means)).transpose()?,
            archive: SharedArchive::default(),
            buffer: Vec::new(),
            spare: Vec::new(),
            moved: Transferred::default(),
            stopped: None,
            options,
        })
    }

    /// Makes the member of `entry`, whose data comes from `source`, and gives what moved since the call before.
    ///
    /// With a [`Reader`](crate::Reader), `source` is its [`source_mut`](crate::Reader::source_mut): that of a stream
    /// must be asked before the reader goes on. With threads, data that is still on its way is counted later.
    ///
    /// # Errors
    /// [`UnpackError`], which names the member; with threads, that can be one before. If there is a witness, only what
    /// that gives back.
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

    /// Waits for the threads, makes the links that had to wait, gives the directories their attributes, also after an
    /// error, and gives the counts of all that moved.
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

    /// Has the witness hear of `error`; without one it ends the work.
    fn fail(&mut self, error: UnpackError) {
        let judged = match &mut self.witness {
            Some(witness) => witness.failed(error),
            None => Err(error),
        };
        if let Err(error) = judged {
            self.stopped.get_or_insert(error);
        }
    }

    fn tell(&mut self) -> Result<(), UnpackError> {
        self.stopped.take().map_or(Ok(()), Err)
    }

    /// Waits if a thread is to make `path`.
    fn wait_for(&mut self, path: &[u8]) {
        if self.pipeline.as_ref().is_some_and(|pipeline| pipeline.has(path)) {
            self.settle();
        }
    }

    /// As [`Unpacker::wait_for`], for `path` and all that is above it.
    fn wait_for_way(&mut self, path: &[u8]) {
        if self.pipeline.as_ref().is_some_and(|pipeline| pipeline.has_on_the_way_to(path)) {
            self.settle();
        }
    }

    /// Waits until nothing is on its way, whatever came of it.
    fn settle(&mut self) {
        let done = self.pipeline.as_mut().map(Pipeline::wait);
        self.count(done.unwrap_or_default());
    }

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
                Ok(filled) => self.add(filled),
                Err(NotDone::Failed(error)) => self.fail(error),
                Err(NotDone::Occupied(job)) => {
                    if let Err(error) = self.complete_anyway(*job) {
                        self.fail(error);
                    }
                }
            }
        }
    }

    fn add(&mut self, Filled { moved, wrong }: Filled) {
        self.moved += moved;
        wrong.into_iter().for_each(|error| self.fail(error));
    }

    fn make<S: Source + ?Sized>(&mut self, entry: &Entry, source: &mut S) -> Result<(), UnpackError> {
        let at = Context { path: &entry.member.path, offset: entry.header_offset };
        let path = SafePath::new(at.path).map_err(|bad| at.refused(Refusal::Path(bad)))?;
        let Some((above, _)) = path.split() else {
            return self.root_member(at, path, &entry.member);
        };
        self.wait_for(path.as_bytes());
        let folder = self.enter(at, above, Missing::Make)?;
        let path = folder.real_path(path);
        self.take_name(&path);
        if let Kind::HardLink { target } = &entry.member.kind {
            return self.hard_link(at, folder.descriptor, path, target);
        }
        let (_, name) = path.split().expect("it is below the root");
        let place = Place { at, parent: folder.descriptor.as_fd(), name };
        match &entry.member.kind {
            Kind::Directory => self.directory(place, &path, &entry.member),
            Kind::Regular { .. } => self.regular(at, &path, &folder, entry, source),
            _ => self.special(place, &path, &entry.member),
        }
    }

    /// The root is there; only what is no directory can be wrong with it.
    fn root_member(&mut self, at: Context<'_>, path: SafePath, member: &Member) -> Result<(), UnpackError> {
        if member.kind != Kind::Directory {
            return Err(at.refused(Refusal::Root));
        }
        let stat = fstat(self.root).map_err(at.failed("fstat"))?;
        let attributes = self.attributes(at, member)?;
        self.directories.add(at, path, InodeId::of(&stat), attributes)
    }

    fn attributes(&self, at: Context<'_>, member: &Member) -> Result<Attributes, UnpackError> {
        match self.witness {
            Some(_) => Ok(Attributes::of(member, &self.options)),
            None => Attributes::possible(at, member, &self.options),
        }
    }
}
