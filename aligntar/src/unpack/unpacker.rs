//! The state of an unpacking: what is kept from one member to the next.

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;

use super::attributes::Attributes;
use super::context::Context;
use super::error::UnpackError;
use super::fill::{FillPolicy, Imperfect};
use super::made_symlinks::MadeSymlinks;
use super::observer::UnpackObserver;
use super::open_dirs::OpenDirs;
use super::options::UnpackOptions;
use super::parents::Parents;
use super::pending_directories::PendingDirectories;
use super::pipeline::Pipeline;
use super::shared_archive::SharedArchive;
use super::waiting_links::WaitingLinks;
use crate::align::Alignment;
use crate::member::Member;
use crate::transfer::Transferred;

/// Makes members below one directory, in the order they are handed in.
///
/// An existing file is unlinked and made anew, never written through. An existing directory is kept.
/// [`Unpacker::finish`] sets the attributes of directories, since making what is in them changes their times. Where
/// data goes through memory, runs of 64 KiB zeros, at multiples of 64 KiB, become holes; elsewhere holes of the archive
/// stay.
///
/// | | [`Unpacker::new`] | [`Unpacker::with_observer`] |
/// |---|---|---|
/// | a member that cannot be made | an error | reported, the others are made |
/// | owner, attribute, mode or times that cannot be set | an error, the file is removed | reported, the file stays without |
/// | a path through a symbolic link | an error | followed and reported, if this run has made the link and it leads to a directory below the root |
/// | a hard link to a member that comes later | an error | made by [`Unpacker::finish`] |
///
/// A file whose data is not whole is removed again. If dropped without [`Unpacker::finish`], it waits for its threads,
/// and directories keep mode 0700.
pub struct Unpacker<'a> {
    pub(super) root: BorrowedFd<'a>,
    pub(super) options: UnpackOptions<'a>,
    pub(super) parents: &'a mut dyn Parents,
    pub(super) observer: Option<&'a mut dyn UnpackObserver>,
    pub(super) policy: FillPolicy,
    pub(super) open_dirs: OpenDirs,
    pub(super) directories: PendingDirectories,
    pub(super) symlinks: MadeSymlinks,
    pub(super) waiting: WaitingLinks,
    pub(super) pipeline: Option<Pipeline>,
    pub(super) archive: SharedArchive,
    pub(super) buffer: Vec<u8>,
    /// Memory of data that was written, for the next file.
    pub(super) spare: Vec<Vec<u8>>,
    pub(super) moved: Transferred,
    /// The first error that is to end the work, until it is given to the caller.
    pub(super) stopped: Option<UnpackError>,
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

    /// Unpacks below `root` what can be unpacked; `observer` hears of the rest.
    ///
    /// # Errors
    /// As [`Unpacker::new`].
    pub fn with_observer(
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
        observer: &'a mut dyn UnpackObserver,
    ) -> Result<Self, UnpackError> {
        Unpacker::start(root, options, parents, Some(observer))
    }

    fn start(
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
        observer: Option<&'a mut dyn UnpackObserver>,
    ) -> Result<Self, UnpackError> {
        let imperfect = if observer.is_some() { Imperfect::Keep } else { Imperfect::Discard };
        let policy = FillPolicy { fs_block: Alignment::of(root)?, clone_policy: options.clone_policy, imperfect };
        let workers = NonZeroUsize::new(options.threads.get() - 1);
        Ok(Unpacker {
            root,
            parents,
            observer,
            policy,
            open_dirs: OpenDirs::default(),
            directories: PendingDirectories::new(options.pending_bytes),
            symlinks: MadeSymlinks::default(),
            waiting: WaitingLinks::new(options.pending_bytes),
            pipeline: workers.map(|workers| Pipeline::start(workers, policy)).transpose()?,
            archive: SharedArchive::default(),
            buffer: Vec::new(),
            spare: Vec::new(),
            moved: Transferred::default(),
            stopped: None,
            options,
        })
    }

    /// Reports `error` to the observer; without one, `error` ends the work.
    pub(super) fn fail(&mut self, error: UnpackError) {
        let judged = match &mut self.observer {
            Some(observer) => observer.failed(error),
            None => Err(error),
        };
        if let Err(error) = judged {
            self.stopped.get_or_insert(error);
        }
    }

    pub(super) fn tell(&mut self) -> Result<(), UnpackError> {
        self.stopped.take().map_or(Ok(()), Err)
    }

    pub(super) fn attributes(&self, at: Context<'_>, member: &Member) -> Result<Attributes, UnpackError> {
        match self.observer {
            Some(_) => Ok(Attributes::of(member, &self.options)),
            None => Attributes::possible(at, member, &self.options),
        }
    }
}
