//! What a thread can make by itself: a file, also in place of another file, or a further name of it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, linkat};

use super::context::Context;
use super::dir_entry::DirEntry;
use super::error::UnpackError;
use super::fill::{Data, FillPolicy, Filled};
use super::new_file::{NewFile, NotMade};
use crate::inode::os;
use crate::safe_path::SafePath;
use crate::transfer::Transferred;

/// What a file that takes no memory counts for, in bytes: others of its batch wait for it.
const SPANS_BYTES: usize = 64 * 1024;

/// A name to be made.
pub(super) enum Job {
    /// A file and its data.
    File { new: NewFile, data: Data },
    /// Another name of a file in `target_parent` that is made right before.
    Link { link: NewLink, target_parent: Arc<OwnedFd> },
}

/// Another name of a file.
pub(super) struct NewLink {
    /// As the archive spells it.
    pub(super) archived: Vec<u8>,
    pub(super) offset: u64,
    pub(super) path: SafePath,
    pub(super) parent: Arc<OwnedFd>,
    pub(super) target: SafePath,
}

/// Why a job is not done.
pub(super) enum NotDone {
    Failed(UnpackError),
    /// Something has the name that a thread may not remove. The calling thread, which knows the directories, decides.
    Occupied(Box<Job>),
}

/// What became of a job.
pub(super) struct Done {
    /// Of the member in the archive.
    pub(super) offset: u64,
    pub(super) path: SafePath,
    pub(super) outcome: Result<Filled, NotDone>,
    /// The memory that its data was in.
    pub(super) buffer: Option<Vec<u8>>,
}

impl Job {
    pub(super) fn path(&self) -> &SafePath {
        match self {
            Job::File { new, .. } => &new.path,
            Job::Link { link, .. } => &link.path,
        }
    }

    fn offset(&self) -> u64 {
        match self {
            Job::File { new, .. } => new.offset,
            Job::Link { link, .. } => link.offset,
        }
    }

    /// The directory that it changes.
    pub(super) fn parent(&self) -> &Arc<OwnedFd> {
        match self {
            Job::File { new, .. } => &new.parent,
            Job::Link { link, .. } => &link.parent,
        }
    }

    /// The memory that it takes; a file without data in memory counts for some.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Job::File { data: Data::Memory(bytes), .. } => bytes.len(),
            Job::File { data: Data::Spans { .. }, .. } => SPANS_BYTES,
            Job::Link { .. } => 0,
        }
    }

    pub(super) fn complete(self, policy: FillPolicy) -> Done {
        let (offset, path) = (self.offset(), self.path().clone());
        let (outcome, buffer) = match self {
            Job::File { new, data } => complete_file(new, data, policy),
            Job::Link { link, target_parent } => (complete_link(link, target_parent), None),
        };
        Done { offset, path, outcome, buffer }
    }
}

impl Done {
    pub(super) fn is_to_do_again(&self) -> bool {
        matches!(self.outcome, Err(NotDone::Occupied(_)))
    }
}

fn complete_file(new: NewFile, data: Data, policy: FillPolicy) -> (Result<Filled, NotDone>, Option<Vec<u8>>) {
    let outcome = match new.make() {
        Ok(made) => made.complete(&data, policy).map_err(NotDone::Failed),
        Err(NotMade::Failed(error)) => Err(NotDone::Failed(error)),
        Err(NotMade::Occupied(new)) => return (Err(NotDone::Occupied(Box::new(Job::File { new: *new, data }))), None),
    };
    (outcome, data.into_buffer())
}

/// A thread does not deal with any obstacle: a target that was not made, a directory in its place, a file with the
/// link's name.
fn complete_link(link: NewLink, target_parent: Arc<OwnedFd>) -> Result<Filled, NotDone> {
    let dirent = link.dirent();
    let made = link
        .target
        .split()
        .map(|(_, target)| linkat(&target_parent, os(target), dirent.parent, os(dirent.name), AtFlags::empty()));
    match made {
        Some(Ok(())) => Ok(Filled { moved: Transferred::default(), wrong: Vec::new() }),
        _ => Err(NotDone::Occupied(Box::new(Job::Link { link, target_parent }))),
    }
}

impl NewLink {
    pub(super) fn dirent(&self) -> DirEntry<'_> {
        let (_, name) = self.path.split().expect("a link is not the root");
        DirEntry { at: Context { path: &self.archived, offset: self.offset }, parent: self.parent.as_fd(), name }
    }
}
