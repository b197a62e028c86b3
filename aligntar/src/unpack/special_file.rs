//! Symbolic links, FIFOs and devices: made by name, looked at, then given their attributes by descriptor.

use std::os::fd::AsFd;

use rustix::fs::{Dev, FileType, OFlags, Stat, makedev, mknodat, symlinkat};

use super::context::Context;
use super::dir_entry::{DirEntry, InodeId};
use super::error::{Refusal, UnpackError};
use super::file_ref::FileRef;
use super::unpacker::Unpacker;
use crate::inode::os;
use crate::member::{Kind, Member};
use crate::safe_path::SafePath;

/// Largest major and minor number, linux/kdev_t.h: mknod(2) would cut off the rest and make another device.
const DEVICE_MAX: (u32, u32) = (0xfff, 0xf_ffff);

impl Unpacker<'_> {
    /// Makes the file by name, for nothing opens such a file as it makes it. Then looks at what has the name: somebody
    /// else may have put another file in its place.
    pub(super) fn special(
        &mut self,
        dirent: DirEntry<'_>,
        path: &SafePath,
        member: &Member,
    ) -> Result<(), UnpackError> {
        let DirEntry { at, parent, name } = dirent;
        let attributes = self.attributes(at, member)?;
        let mode = attributes.creation_mode(None);
        let (file_type, device) = node(at, &member.kind)?;
        self.make_anew(dirent, path, "make the node", || match &member.kind {
            Kind::Symlink { target } => symlinkat(os(target), parent, os(name)),
            _ => mknodat(parent, os(name), file_type, mode, device),
        })?;
        let (made, stat) = dirent.open(OFlags::empty())?;
        if !is_new(&stat, file_type, device) {
            return Err(at.refused(Refusal::Replaced));
        }
        if let Kind::Symlink { target } = &member.kind
            && self.observer.is_some()
        {
            self.symlinks.add(InodeId::of(&stat), target);
        }
        let wrong = attributes.give(at, FileRef::Path(made.as_fd()), &stat);
        let wrong = self.policy.imperfect.judge(wrong).inspect_err(|_| dirent.discard(InodeId::of(&stat)))?;
        wrong.into_iter().for_each(|error| self.fail(error));
        Ok(())
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

/// Whether `stat` can be that of a new file: a further name of a file elsewhere has a link count above one.
fn is_new(stat: &Stat, file_type: FileType, device: Dev) -> bool {
    let is_device = matches!(file_type, FileType::CharacterDevice | FileType::BlockDevice);
    let is_same = FileType::from_raw_mode(stat.st_mode) == file_type && (!is_device || stat.st_rdev == device);
    is_same && stat.st_nlink == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, lstat};

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
