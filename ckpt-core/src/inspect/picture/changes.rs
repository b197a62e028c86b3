//! What a container has changed in its image's files, in short.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aligntar::{Entry, Kind};
use serde::Serialize;

use crate::host::byte_path::BytePath;

/// Paths that are named.
const NAMED: usize = 100;

/// What was written and what was deleted. Whether a written path is new is known only where the image is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Files that were written.
    pub files: u64,
    /// Directories that are new, or in which something changed.
    pub directories: u64,
    /// Links, devices, pipes.
    pub others: u64,
    /// Paths that were deleted.
    pub deleted: u64,
    /// The largest files, the largest first.
    pub largest: Vec<SizedPath>,
    /// The first deleted paths.
    pub deleted_paths: Vec<BytePath>,
}

/// A file and its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SizedPath {
    /// In the container.
    pub path: BytePath,
    /// Bytes.
    pub bytes: u64,
}

impl Changes {
    pub(super) fn add(&mut self, entry: &Entry) {
        match entry.member.kind {
            Kind::Regular { size } => {
                self.files += 1;
                self.add_file(&entry.member.path, size);
            }
            Kind::Directory => self.directories += 1,
            _ => self.others += 1,
        }
    }

    fn add_file(&mut self, path: &[u8], bytes: u64) {
        let place = self.largest.partition_point(|other| other.bytes >= bytes);
        if place < NAMED {
            let path = OsStr::from_bytes(&[b"/", path].concat()).into();
            self.largest.insert(place, SizedPath { path, bytes });
            self.largest.truncate(NAMED);
        }
    }

    pub(super) fn add_deleted<'p>(&mut self, paths: impl Iterator<Item = &'p Path>) {
        for path in paths {
            self.deleted += 1;
            if self.deleted_paths.len() < NAMED {
                self.deleted_paths.push(Path::new("/").join(path).as_os_str().into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_files_are_named() {
        let mut changes = Changes::default();
        (0..500u64).for_each(|number| changes.add_file(format!("f{number}").as_bytes(), number % 250));
        assert_eq!(changes.largest.len(), NAMED);
        assert_eq!(changes.largest[0], SizedPath { path: OsStr::new("/f249").into(), bytes: 249 });
        assert!(changes.largest.is_sorted_by(|a, b| a.bytes >= b.bytes));
        changes.add_deleted((0..150).map(|_| Path::new("/gone")));
        assert_eq!((changes.deleted, changes.deleted_paths.len()), (150, NAMED));
    }
}
