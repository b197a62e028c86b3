//! A name that another file has: that file is removed, never written through.

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::dir_entry::DirEntry;
use super::error::UnpackError;
use super::unpacker::Unpacker;
use crate::inode::os;
use crate::safe_path::SafePath;

impl Unpacker<'_> {
    /// Makes a file with `make`, which fails with `EXIST` where there is one; that is removed first.
    pub(super) fn make_anew<T>(
        &mut self,
        dirent: DirEntry<'_>,
        path: &SafePath,
        call: &'static str,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        match make() {
            Err(Errno::EXIST) => {
                self.remove(dirent, path)?;
                make()
            }
            made => made,
        }
        .map_err(dirent.at.failed(call))
    }

    /// Removes a file or an empty directory. An archive may not remove a directory that has content.
    pub(super) fn remove(&mut self, dirent: DirEntry<'_>, path: &SafePath) -> Result<(), UnpackError> {
        // A thread may still make a file in it.
        self.settle();
        match unlinkat(dirent.parent, os(dirent.name), AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) if dirent.is_directory()? => {
                unlinkat(dirent.parent, os(dirent.name), AtFlags::REMOVEDIR).map_err(dirent.at.failed("rmdir"))?;
                self.open_dirs.forget();
                self.directories.remove(path);
                Ok(())
            }
            removed => {
                removed.map_err(dirent.at.failed("unlink"))?;
                self.forget_link(path);
                Ok(())
            }
        }
    }
}
