//! Members that this program makes up.

use aligntar::{Kind, Member, Timestamp};

/// A regular file: root's, mode 0600.
pub(crate) fn file(path: &str, mtime: Timestamp, size: usize) -> Member {
    Member { mtime, ..Member::new(path, Kind::Regular { size: size as u64 }, 0o600) }
}
