//! Makes names: a new directory entry for each member, in place of what has the name.

use std::os::fd::AsFd;

use rustix::fs::{
    AtFlags, Dev, FileType, Mode, OFlags, Stat, fstat, makedev, mkdirat, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::Unpacker;
use super::data::Way;
use super::error::{Refusal, UnpackError};
use super::fill::{self, Data, Made};
use super::folders::Folder;
use super::handle::Handle;
use super::job::Job;
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
        let attributes = self.attributes(place.at, member)?;
        let make = || mkdirat(place.parent, os(place.name), Mode::from_raw_mode(0o700));
        match make() {
            Err(Errno::EXIST) if place.is_directory()? => {}
            Err(Errno::EXIST) => {
                self.remove(place, path)?;
                make().map_err(place.at.failed("mkdir"))?;
            }
            made => made.map_err(place.at.failed("mkdir"))?,
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(place.parent, os(place.name), flags, Mode::empty()).map_err(place.at.failed("open"))?;
        let stat = fstat(&made).map_err(place.at.failed("fstat"))?;
        // What comes next most often lies in it.
        self.folders.keep(path.as_bytes(), None, made);
        self.directories.add(place.at, path.clone(), InodeId::of(&stat), attributes)
    }

    pub(super) fn regular<S: Source + ?Sized>(
        &mut self,
        at: Context<'_>,
        path: &SafePath,
        folder: &Folder,
        entry: &Entry,
        source: &mut S,
    ) -> Result<(), UnpackError> {
        let attributes = self.attributes(at, &entry.member)?;
        let data = self.data(at, entry, source)?;
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
                let filled = made.complete_from(entry, source, &mut self.buffer, self.means.imperfect)?;
                self.add(filled);
            }
        }
        Ok(())
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

    pub(super) fn submit(&mut self, job: Job) {
        let done = match &mut self.pipeline {
            Some(pipeline) => pipeline.submit(job),
            None => vec![job.complete(self.means)],
        };
        self.count(done);
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
                let filled = self.make_anyway(new)?.complete(&data, self.means)?;
                self.add(filled);
                Ok(())
            }
            Job::Link { link, .. } => self.link_or_wait(link),
        }
    }

    /// Symbolic links, FIFOs and devices. Nothing opens them as it makes them, so that they are made by name, looked at,
    /// and then given their attributes by descriptor: somebody else may have put another file in their place.
    pub(super) fn special(&mut self, place: Place<'_>, path: &SafePath, member: &Member) -> Result<(), UnpackError> {
        let Place { at, parent, name } = place;
        let attributes = self.attributes(at, member)?;
        let mode = attributes.creation_mode(None);
        let (file_type, device) = node(at, &member.kind)?;
        self.make_anew(place, path, "make the node", || match &member.kind {
            Kind::Symlink { target } => symlinkat(os(target), parent, os(name)),
            _ => mknodat(parent, os(name), file_type, mode, device),
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(parent, os(name), flags, Mode::empty()).map_err(at.failed("open"))?;
        let stat = fstat(&made).map_err(at.failed("fstat"))?;
        if !is_new(&stat, file_type, device) {
            return Err(at.refused(Refusal::Replaced));
        }
        if let Kind::Symlink { target } = &member.kind
            && self.witness.is_some()
        {
            self.links.add(InodeId::of(&stat), target);
        }
        let wrong = attributes.give(at, Handle::Path(made.as_fd()), &stat);
        let wrong = self.means.imperfect.judge(wrong).inspect_err(|_| place.discard(InodeId::of(&stat)))?;
        wrong.into_iter().for_each(|error| self.fail(error));
        Ok(())
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
    pub(super) fn remove(&mut self, place: Place<'_>, path: &SafePath) -> Result<(), UnpackError> {
        // What is on its way may lie in it.
        self.settle();
        match unlinkat(place.parent, os(place.name), AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) if place.is_directory()? => {
                unlinkat(place.parent, os(place.name), AtFlags::REMOVEDIR).map_err(place.at.failed("rmdir"))?;
                self.folders.forget();
                self.directories.remove(path);
                Ok(())
            }
            removed => {
                removed.map_err(place.at.failed("unlink"))?;
                self.forget_link(path);
                Ok(())
            }
        }
    }
}

/// The file type of `kind`, and the number of a device; zero for others.
fn node(at: Context<'_>, kind: &Kind) -> Result<(FileType, Dev), UnpackError> {
    Ok(match *kind {
        Kind::CharDevice { major, minor } => (FileType::CharacterDevice, device(at, major, minor)?),
        Kind::BlockDevice { major, minor } => (FileType::BlockDevice, device(at, major, minor)?),
        Kind::Symlink { .. } => (FileType::Symlink, 0),
        _ => (FileType::Fifo, 0),
    })
}

fn device(at: Context<'_>, major: u32, minor: u32) -> Result<Dev, UnpackError> {
    let is_known = major <= DEVICE_MAX.0 && minor <= DEVICE_MAX.1;
    is_known.then(|| makedev(major, minor)).ok_or_else(|| at.refused(Refusal::DeviceNumber))
}

/// Whether `stat` can be of what was just made: another name of a file elsewhere has more than one.
fn is_new(stat: &Stat, file_type: FileType, device: Dev) -> bool {
    let is_device = matches!(file_type, FileType::CharacterDevice | FileType::BlockDevice);
    let is_same = FileType::from_raw_mode(stat.st_mode) == file_type && (!is_device || stat.st_rdev == device);
    is_same && stat.st_nlink == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, lstat};

    #[test]
    fn further_names_of_files_elsewhere_are_not_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(is_new(&lstat(path("fifo")).unwrap(), FileType::Fifo, 0));
        assert!(!is_new(&lstat(path("fifo")).unwrap(), FileType::Symlink, 0));
        assert!(!is_new(&lstat("/dev/null").unwrap(), FileType::CharacterDevice, makedev(1, 5)));
        std::fs::hard_link(path("fifo"), path("other")).unwrap();
        assert!(!is_new(&lstat(path("other")).unwrap(), FileType::Fifo, 0));
    }
}
