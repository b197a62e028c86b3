//! A directory: made if it is missing. Its attributes wait until everything is in it.

use rustix::fs::{Mode, OFlags, mkdirat};
use rustix::io::Errno;

use super::dir_entry::{DirEntry, InodeId};
use super::error::UnpackError;
use super::unpacker::Unpacker;
use crate::inode::os;
use crate::member::Member;
use crate::safe_path::SafePath;

impl Unpacker<'_> {
    /// Until it gets its mode, only whoever unpacks can enter it.
    pub(super) fn directory(
        &mut self,
        dirent: DirEntry<'_>,
        path: &SafePath,
        member: &Member,
    ) -> Result<(), UnpackError> {
        let attributes = self.attributes(dirent.at, member)?;
        let make = || mkdirat(dirent.parent, os(dirent.name), Mode::from_raw_mode(0o700));
        match make() {
            Err(Errno::EXIST) if dirent.is_directory()? => {}
            Err(Errno::EXIST) => {
                self.remove(dirent, path)?;
                make().map_err(dirent.at.failed("mkdir"))?;
            }
            made => made.map_err(dirent.at.failed("mkdir"))?,
        }
        let (made, stat) = dirent.open(OFlags::DIRECTORY)?;
        // What comes next most often lies in it.
        self.open_dirs.keep(path.as_bytes(), None, made);
        self.directories.add(dirent.at, path.clone(), InodeId::of(&stat), attributes)
    }
}
