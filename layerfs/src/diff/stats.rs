//! The counts of a walk.

use rustix::fs::{FileType, Stat};

use crate::overlay;

/// How much a walk saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffStats {
    /// Directories present, the root included.
    pub directories: u64,
    /// Present files of every other kind.
    pub files: u64,
    /// Sum of the sizes of present regular files, in bytes; a file with several names counts once for each.
    pub file_bytes: u64,
    /// Deletions.
    pub deleted: u64,
}

impl DiffStats {
    pub(super) fn count_present(&mut self, stat: &Stat) {
        match overlay::file_type(stat) {
            FileType::Directory => self.directories += 1,
            FileType::RegularFile => {
                self.files += 1;
                self.file_bytes += u64::try_from(stat.st_size).unwrap_or(0);
            }
            _ => self.files += 1,
        }
    }
}
