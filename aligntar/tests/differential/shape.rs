//! What a tree may have so that a format can hold it, and what is lost of it anyway.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::tree::Facts;

/// Bounds of a random tree.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Longest path below the root in bytes; a directory's ends in a slash.
    pub(crate) path_len: usize,
    /// Whether a path over 100 bytes has to split at a slash into 155 and 100 bytes, as ustar's fields.
    pub(crate) splits: bool,
    /// Longest target of a symbolic link in bytes.
    pub(crate) target_len: usize,
    pub(crate) name_bytes: Bytes,
    /// Seconds of mtimes.
    pub(crate) mtimes: RangeInclusive<i64>,
    /// Whether names of attributes may have `=` and `%`, which GNU tar escapes in records and libarchive
    /// escapes with others when it writes, and not when it reads.
    pub(crate) escaped_xattrs: bool,
    pub(crate) fifos: bool,
    /// Devices, and owners up to this one, which both need root; none without it.
    pub(crate) devices: bool,
    pub(crate) largest_id: Option<u32>,
}

/// Which bytes are in names and targets; never NUL, or a slash in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    Any,
    /// Letters of UTF-8, odd ones too, but no backslash: bsdtar takes one at the start of a path for a drive's root, and
    /// says that paths of records are in UTF-8, as POSIX does.
    Utf8,
}

/// The range of ext4's time stamps with 256-byte inodes, up to 2446; btrfs has more.
const ALL_TIMES: RangeInclusive<i64> = -(1 << 31)..=15_032_385_535;
/// Eleven octal digits.
const OCTAL_TIMES: RangeInclusive<i64> = 0..=0o77_777_777_777;

impl Shape {
    /// All that a file system has.
    pub(crate) fn full() -> Self {
        Shape {
            path_len: 1200,
            splits: false,
            target_len: 1000,
            name_bytes: Bytes::Any,
            mtimes: ALL_TIMES,
            escaped_xattrs: true,
            fifos: true,
            devices: true,
            largest_id: Some(u32::MAX - 1),
        }
    }

    /// The same with names for those that take them for letters.
    pub(crate) fn utf8() -> Self {
        Shape { name_bytes: Bytes::Utf8, ..Self::full() }
    }

    /// What the fields of a ustar header hold.
    pub(crate) fn ustar() -> Self {
        let largest_id = Some((1 << 21) - 1);
        Shape { path_len: 250, splits: true, target_len: 100, mtimes: OCTAL_TIMES, largest_id, ..Self::full() }
    }

    /// What the fields of a v7 header hold: no prefix, and names end in NUL.
    pub(crate) fn v7() -> Self {
        Shape { path_len: 97, splits: false, target_len: 98, fifos: false, devices: false, ..Self::ustar() }
    }

    /// The same for a user without rights.
    pub(crate) fn unprivileged(self) -> Self {
        Shape { devices: false, largest_id: None, ..self }
    }
}

/// What does not come back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    /// Fractions of a second.
    pub(crate) nanos: bool,
    /// Times are numbers of 53 bits: they come back within a millisecond.
    pub(crate) times_are_floats: bool,
    pub(crate) xattrs: bool,
    /// Times of directories, which are set before their content is made.
    pub(crate) directory_times: bool,
    /// The time of the root of the tree.
    pub(crate) root_time: bool,
    pub(crate) symlink_times: bool,
    pub(crate) symlink_owners: bool,
    /// That two symbolic links are one inode.
    pub(crate) linked_symlinks: bool,
    /// That two FIFOs or devices are one inode.
    pub(crate) linked_specials: bool,
}

impl Loss {
    /// Facts without what is lost, so that they compare.
    pub(crate) fn strip(self, tree: BTreeMap<PathBuf, Facts>) -> BTreeMap<PathBuf, Facts> {
        let strip = |(path, facts): (PathBuf, Facts)| {
            let is_root = path.as_os_str().is_empty();
            (path, self.strip_one(facts, is_root))
        };
        tree.into_iter().map(strip).collect()
    }

    fn strip_one(self, mut facts: Facts, is_root: bool) -> Facts {
        let is_directory = facts.mode & 0o170_000 == 0o040_000;
        if self.times_are_floats {
            // Rounded to a tenth of a second, after half a millisecond that a float may have lost.
            let (secs, nanos) = facts.mtime;
            let tenths = (nanos + 500_000) / 100_000_000;
            facts.mtime = (secs + tenths / 10, tenths % 10);
        }
        if self.nanos {
            facts.mtime.1 = 0;
        }
        if self.xattrs {
            facts.xattrs.clear();
        }
        if (self.directory_times && is_directory)
            || (self.root_time && is_root)
            || (self.symlink_times && facts.target.is_some())
        {
            facts.mtime = (0, 0);
        }
        let is_special = facts.content.is_none() && facts.target.is_none() && !is_directory;
        if self.symlink_owners && facts.target.is_some() {
            facts.owner = (0, 0);
        }
        if (self.linked_symlinks && facts.target.is_some()) || (self.linked_specials && is_special) {
            facts.links = 1;
        }
        facts
    }
}
