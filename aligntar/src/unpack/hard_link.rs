//! Hard links: further names of files that the archive has.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, linkat, statat};
use rustix::io::Errno;

use super::context::Context;
use super::dir_entry::InodeId;
use super::error::{Refusal, UnpackError};
use super::job::{Job, NewLink};
use super::open_parent::Missing;
use super::unpacker::Unpacker;
use super::waiting_links::WaitingLink;
use crate::inode::os;
use crate::safe_path::SafePath;

/// Why a link was not made.
enum NotLinked {
    /// Its target, or the directory of that, is not there.
    Missing(UnpackError),
    Failed(UnpackError),
}

impl From<UnpackError> for NotLinked {
    fn from(error: UnpackError) -> Self {
        NotLinked::Failed(error)
    }
}

/// The file that a link names.
struct LinkTarget<'l> {
    parent: Arc<OwnedFd>,
    name: &'l [u8],
    inode: InodeId,
}

impl Unpacker<'_> {
    /// A file that a thread still has can fail and is then removed, while a further name of it would stay. So the link
    /// is made after the file: by the same thread, or when no thread has the file any more.
    pub(super) fn hard_link(
        &mut self,
        at: Context<'_>,
        parent: Arc<OwnedFd>,
        path: SafePath,
        target: &[u8],
    ) -> Result<(), UnpackError> {
        let target = SafePath::new(target).map_err(|bad| at.refused(Refusal::LinkTarget(bad)))?;
        let target_parent = self.pipeline.as_ref().and_then(|pipeline| pipeline.parent_of_next(&target));
        let link = NewLink { archived: at.path.to_vec(), offset: at.offset, path, parent, target };
        match target_parent {
            Some(target_parent) => {
                self.submit(Job::Link { link, target_parent });
                Ok(())
            }
            None => {
                self.wait_for_way(link.target.as_bytes());
                self.link_or_wait(link)
            }
        }
    }

    /// Without an observer the target must be there by now.
    pub(super) fn link_or_wait(&mut self, link: NewLink) -> Result<(), UnpackError> {
        match self.link(&link) {
            Err(NotLinked::Missing(error)) if self.observer.is_some() => self.waiting.add(link, error),
            Err(NotLinked::Missing(error) | NotLinked::Failed(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// Makes the links that waited for their targets, those that wait for one another in turn.
    pub(super) fn make_later_links(&mut self) {
        let mut waiting = self.waiting.take();
        let mut targets: Vec<_> = waiting.keys().rev().cloned().collect();
        while let Some(target) = targets.pop() {
            let mut still = Vec::new();
            for later in waiting.remove(&target).unwrap_or_default() {
                match self.link_later(&later) {
                    Ok(()) => targets.push(later.path),
                    Err(NotLinked::Missing(_)) => still.push(later),
                    Err(NotLinked::Failed(error)) => self.fail(error),
                }
            }
            if !still.is_empty() {
                waiting.insert(target, still);
            }
        }
        let mut missing: Vec<_> = waiting.into_values().flatten().collect();
        missing.sort_by_key(|later| later.offset);
        missing.into_iter().for_each(|later| self.fail(later.error));
    }

    fn link_later(&mut self, later: &WaitingLink) -> Result<(), NotLinked> {
        let (above, _) = later.path.split().expect("a link is not the root");
        let parent = self.open_parent(later.at(), above, Missing::Make)?.descriptor;
        let (archived, path, target) = (later.archived.clone(), later.path.clone(), later.target.clone());
        self.link(&NewLink { archived, offset: later.offset, path, parent, target })
    }

    fn link(&mut self, link: &NewLink) -> Result<(), NotLinked> {
        let target = self.find_target(link)?;
        self.link_to(link, &target).map_err(NotLinked::Failed)
    }

    /// The target resolves like any path: a link can only name what lies below the root. No thread has it, nor what is
    /// above it.
    fn find_target<'l>(&mut self, link: &'l NewLink) -> Result<LinkTarget<'l>, NotLinked> {
        let at = link.dirent().at;
        let (above, name) = link.target.split().ok_or_else(|| at.refused(Refusal::Root))?;
        let missing = |error| match error {
            UnpackError::Call { source: source @ Errno::NOENT, path, offset, .. } => {
                NotLinked::Missing(UnpackError::Call { path, offset, call: "find what it links to", source })
            }
            error => NotLinked::Failed(error),
        };
        let folder = self.open_parent(at, above, Missing::Tell).map_err(missing)?;
        self.wait_for(folder.real_path(link.target.clone()).as_bytes());
        let stat = statat(&folder.descriptor, os(name), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(at.failed("stat its target"))
            .map_err(missing)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(at.refused(Refusal::LinkToDirectory).into());
        }
        Ok(LinkTarget { parent: folder.descriptor, name, inode: InodeId::of(&stat) })
    }

    fn link_to(&mut self, link: &NewLink, target: &LinkTarget<'_>) -> Result<(), UnpackError> {
        let dirent = link.dirent();
        let make = || linkat(&target.parent, os(target.name), dirent.parent, os(dirent.name), AtFlags::empty());
        match make() {
            Err(Errno::EXIST) if dirent.is(target.inode) => Ok(()),
            Err(Errno::EXIST) => {
                self.remove(dirent, &link.path)?;
                make().map_err(dirent.at.failed("link"))
            }
            linked => linked.map_err(dirent.at.failed("link")),
        }
    }
}
