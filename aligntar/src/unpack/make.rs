//! Makes names: a new directory entry for each member, in place of what has the name.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, linkat, makedev, mkdirat, mknodat, openat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::Unpacker;
use super::attributes::Attributes;
use super::data::Way;
use super::error::{Refusal, UnpackError};
use super::fill::{self, Data, Made};
use super::job::{Job, NewLink};
use super::new_file::{NewFile, NotMade};
use super::place::{Context, InodeId, Place};
use crate::beneath::SafePath;
use crate::entry::Entry;
use crate::inode::os;
use crate::member::{Kind, Member};
use crate::source::Source;

/// Largest major and minor number, linux/kdev_t.h: mknod(2) would cut off the rest and make another device.
const DEVICE_MAX: (u32, u32) = (0xfff, 0xf_ffff);

impl Unpacker<'_> {
    /// Shut to others until it gets its mode, and open to whoever unpacks.
    pub(super) fn directory(&mut self, place: Place<'_>, path: &SafePath, member: &Member) -> Result<(), UnpackError> {
        let attributes = Attributes::of(place.at, member, &self.options)?;
        let make = || mkdirat(place.parent, os(place.name), Mode::from_raw_mode(0o700));
        match make() {
            Err(Errno::EXIST) if place.is_directory()? => {}
            Err(Errno::EXIST) => {
                self.remove(place, path)?;
                make().map_err(place.at.failed("mkdir"))?;
            }
            made => made.map_err(place.at.failed("mkdir"))?,
        }
        self.directories.add(place.at, path.clone(), attributes)
    }

    pub(super) fn regular<S: Source + ?Sized>(
        &mut self,
        at: Context<'_>,
        path: &SafePath,
        entry: &Entry,
        source: &mut S,
    ) -> Result<(), UnpackError> {
        let attributes = Attributes::of(at, &entry.member, &self.options)?;
        let data = self.data(at, entry, source)?;
        let folder = self.open_parent(at, path)?;
        let new = NewFile {
            archived: at.path.to_vec(),
            offset: at.offset,
            path: path.clone(),
            parent: folder.descriptor.clone(),
            created_owner: folder.created_owner.clone(),
            size: entry.member.size(),
            attributes,
        };
        match data {
            Some(data) => self.submit(Job::File { new, data }),
            None => {
                let made = self.make_anyway(new)?;
                self.moved += made.complete_from(entry, source, &mut self.buffer)?;
                Ok(())
            }
        }
    }

    /// The data, or a way to it, where it can be had without the source; `None` where it must be read piece by piece.
    fn data<S: Source + ?Sized>(
        &mut self,
        at: Context<'_>,
        entry: &Entry,
        source: &mut S,
    ) -> Result<Option<Data>, UnpackError> {
        let way =
            Way::of(entry, source, self.means.fs_block, self.means.clone_policy).map_err(|why| at.refused(why))?;
        let archive = source.file();
        Ok(match (way, archive) {
            (Way::Memory, _) => {
                let mut bytes = self.spare.pop().unwrap_or_default();
                fill::read(source, &mut bytes, entry.data_offset, entry.stored_len as usize)
                    .map_err(|error| at.data_error(error))?;
                Some(Data::Memory(bytes))
            }
            (Way::Spans, Some(archive)) => {
                let archive = self.archive.share(archive).map_err(|error| at.unreadable(entry, error))?;
                Some(Data::Spans { archive, spans: entry.data_spans().collect() })
            }
            _ => None,
        })
    }

    fn submit(&mut self, job: Job) -> Result<(), UnpackError> {
        match &mut self.pipeline {
            // What went wrong with another one is told before the next is begun.
            Some(pipeline) => {
                let done = pipeline.submit(job);
                self.count(done);
                Ok(())
            }
            None => {
                self.count(vec![job.complete(self.means)]);
                self.tell()
            }
        }
    }

    /// Makes a file also where that takes the removal of an empty directory.
    fn make_anyway(&mut self, new: NewFile) -> Result<Made, UnpackError> {
        let new = match new.make() {
            Ok(made) => return Ok(made),
            Err(NotMade::Failed(error)) => return Err(error),
            Err(NotMade::Occupied(new)) => new,
        };
        self.remove(new.place(), &new.path)?;
        new.make().map_err(|not_made| match not_made {
            NotMade::Failed(error) => error,
            // Someone else makes directories there.
            NotMade::Occupied(new) => new.at().failed("create")(Errno::EXIST),
        })
    }

    /// A job that came back because of what it found.
    pub(super) fn complete_anyway(&mut self, job: Job) -> Result<(), UnpackError> {
        match job {
            Job::File { new, data } => {
                let made = self.make_anyway(new)?;
                self.moved += made.complete(&data, self.means)?;
                Ok(())
            }
            Job::Link { link, .. } => self.link(link.place(), &link.path, &link.target),
        }
    }

    /// A file on its way can still fail, and then has to go; another name of it would stay. So that is made behind it, by
    /// the same thread, or when no thread has the file any more.
    pub(super) fn hard_link(
        &mut self,
        at: Context<'_>,
        parent: Arc<OwnedFd>,
        path: SafePath,
        target: &[u8],
    ) -> Result<(), UnpackError> {
        let target = SafePath::new(target).map_err(|bad| at.refused(Refusal::LinkTarget(bad)))?;
        let target_parent = self.pipeline.as_ref().and_then(|pipeline| pipeline.parent_of_next(&target));
        if target_parent.is_none() {
            self.wait_for_way(target.as_bytes())?;
        }
        let link = NewLink { archived: at.path.to_vec(), offset: at.offset, path, parent, target };
        match target_parent {
            Some(target_parent) => self.submit(Job::Link { link, target_parent }),
            None => self.link(link.place(), &link.path, &link.target),
        }
    }

    /// The target resolves like any path: a link can only name what lies below the root. No thread has it, nor what is
    /// above it.
    fn link(&mut self, place: Place<'_>, path: &SafePath, target: &SafePath) -> Result<(), UnpackError> {
        let at = place.at;
        let (directory, name) = target.split().ok_or_else(|| at.refused(Refusal::Root))?;
        let directory = match self.folders.get(directory) {
            Some(folder) => folder.descriptor.clone(),
            None => {
                let opened = self.options.resolver.open(self.root, directory, OFlags::PATH);
                Arc::new(opened.map_err(|errno| at.unresolved(errno))?)
            }
        };
        let stat = statat(&directory, os(name), AtFlags::SYMLINK_NOFOLLOW).map_err(at.failed("stat its target"))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(at.refused(Refusal::LinkToDirectory));
        }
        let inode = InodeId::of(&stat);
        let link = || linkat(&directory, os(name), place.parent, os(place.name), AtFlags::empty());
        match link() {
            Err(Errno::EXIST) if place.is(inode) => Ok(()),
            Err(Errno::EXIST) => {
                self.remove(place, path)?;
                link().map_err(at.failed("link"))
            }
            linked => linked.map_err(at.failed("link")),
        }
    }

    /// Symbolic links, FIFOs and devices: made by name, then given their attributes without following anything.
    pub(super) fn special(&mut self, place: Place<'_>, path: &SafePath, member: &Member) -> Result<(), UnpackError> {
        let Place { at, parent, name } = place;
        if let Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } = member.kind
            && (major > DEVICE_MAX.0 || minor > DEVICE_MAX.1)
        {
            return Err(at.refused(Refusal::DeviceNumber));
        }
        let attributes = Attributes::of(at, member, &self.options)?;
        let mode = attributes.creation_mode(None);
        let node = |kind, device| mknodat(parent, os(name), kind, mode, device);
        self.make_anew(place, path, "make the node", || match &member.kind {
            Kind::Symlink { target } => symlinkat(os(target), parent, os(name)),
            Kind::CharDevice { major, minor } => node(FileType::CharacterDevice, makedev(*major, *minor)),
            Kind::BlockDevice { major, minor } => node(FileType::BlockDevice, makedev(*major, *minor)),
            _ => node(FileType::Fifo, 0),
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(parent, os(name), flags, Mode::empty()).map_err(at.failed("open"))?;
        let stat = rustix::fs::fstat(&made).map_err(at.failed("fstat"))?;
        let is_symlink = matches!(member.kind, Kind::Symlink { .. });
        let given = attributes.give_special(place, made.as_fd(), &stat, is_symlink);
        given.inspect_err(|_| place.discard(InodeId::of(&stat)))
    }

    /// Makes a file with `make`, which fails with `EXIST` where there is one; that is removed first.
    fn make_anew<T>(
        &mut self,
        place: Place<'_>,
        path: &SafePath,
        call: &'static str,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        match make() {
            Err(Errno::EXIST) => {
                self.remove(place, path)?;
                make()
            }
            made => made,
        }
        .map_err(place.at.failed(call))
    }

    /// Removes a file or an empty directory; a directory with content is not for an archive to remove.
    fn remove(&mut self, place: Place<'_>, path: &SafePath) -> Result<(), UnpackError> {
        // What is on its way may lie in it.
        self.settle();
        match unlinkat(place.parent, os(place.name), AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) if place.is_directory()? => {
                unlinkat(place.parent, os(place.name), AtFlags::REMOVEDIR).map_err(place.at.failed("rmdir"))?;
                self.folders.forget();
                self.directories.remove(path);
                Ok(())
            }
            removed => removed.map_err(place.at.failed("unlink")),
        }
    }
}
