//! Archives that are open, and whether they can share blocks.

use std::fs::File;
use std::path::Path;

use aligntar::share_equal_range;
use rustix::fs::fstat;
use rustix::io::Errno;

use super::error::DedupError;
use crate::archive::{ArchiveError, Import};

/// An archive, and what messages call it.
pub(super) struct Opened<'o> {
    pub(super) file: File,
    pub(super) path: &'o Path,
}

impl<'o> Opened<'o> {
    pub(super) fn open(import: &'o Import) -> Result<Self, DedupError> {
        let path = import.name();
        let io_error = |call| move |source| ArchiveError::Io { call, path: path.to_owned(), source };
        let file = import.open().map_err(io_error("open"))?;
        if !file.metadata().map_err(io_error("stat"))?.is_file() {
            return Err(DedupError::NoFile { path: path.to_owned() });
        }
        Ok(Opened { file, path })
    }
}

/// Passes two files that can share blocks.
pub(super) fn check(source: &Opened<'_>, target: &Opened<'_>) -> Result<(), DedupError> {
    let names = || (source.path.to_owned(), target.path.to_owned());
    let inode = |opened: &Opened<'_>| fstat(&opened.file).map(|stat| (stat.st_dev, stat.st_ino));
    if inode(source).is_ok_and(|source| Ok(source) == inode(target)) {
        let (source, target) = names();
        return Err(DedupError::Same { source_path: source, target });
    }
    share_equal_range(&source.file, 0, 0, &target.file, 0).map(drop).map_err(|errno| {
        let (source_path, target) = names();
        match errno {
            Errno::XDEV => DedupError::FileSystems { source_path, target },
            Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL => DedupError::CannotShare { target },
            Errno::PERM | Errno::ACCESS => DedupError::NotOwner { target },
            source => DedupError::Share { source_path, target, source },
        }
    })
}
