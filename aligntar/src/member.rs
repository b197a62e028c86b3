//! One member as a value: what a header says of a file, without its data.

use std::sync::Arc;

/// Seconds and nanoseconds since 1970-01-01 00:00:00 UTC; `nanos` counts forward from `secs`, also before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past.
    pub secs: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// What a member is, with what only that kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of `size` bytes (typeflag `0`).
    Regular {
        /// Bytes of data.
        size: u64,
    },
    /// Another name of a member before it (typeflag `1`).
    HardLink {
        /// The path of that member in the archive.
        target: Vec<u8>,
    },
    /// A symbolic link (typeflag `2`).
    Symlink {
        /// What readlink(2) gives.
        target: Vec<u8>,
    },
    /// A character device (typeflag `3`). Number 0:0 is overlayfs' whiteout.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device (typeflag `4`).
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A directory (typeflag `5`).
    Directory,
    /// A FIFO (typeflag `6`).
    Fifo,
}

/// An extended attribute: the whole name, `user.` or `trusted.` included, and any bytes as its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattr {
    /// As listxattr(2) gives it, without the final NUL.
    pub name: Vec<u8>,
    /// As getxattr(2) gives it.
    pub value: Vec<u8>,
}

/// A pax record that has no meaning to this crate, kept so that it is not lost when a member is written again:
/// `atime`, `ctime`, `hdrcharset`, `LIBARCHIVE.*`, `SCHILY.fflags` and any other vendor's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Left of the first `=`.
    pub keyword: Vec<u8>,
    /// Right of it, any bytes.
    pub value: Vec<u8>,
}

/// Everything an archive says of one file but its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Path in the archive as it stands there, any bytes but NUL, without a trailing slash; `.` is the root of the
    /// tree. See [`Member::make_plain`].
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission, set-id and sticky bits (`0o7777`).
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Name of the owner where the archive was made; empty if there is none. For information only: `uid` counts.
    /// Members that have it from one global header share it.
    pub uname: Arc<[u8]>,
    /// Name of the group, likewise.
    pub gname: Arc<[u8]>,
    /// Time of the last change of its data.
    pub mtime: Timestamp,
    /// Extended attributes, ACLs and file capabilities among them (`SCHILY.xattr.*` records). ACLs are written as text
    /// as well (`SCHILY.acl.*`); one that names users or groups without their IDs is in `records` until it is unpacked.
    pub xattrs: Vec<Xattr>,
    /// Pax records that none of the fields above holds, in the order of the archive. Paddings (`comment`, `CKPT.pad`)
    /// and sparse maps (`GNU.sparse.*`) are not among them.
    pub records: Vec<Record>,
}

impl Member {
    /// A member that belongs to user and group 0 without names, was last changed at the epoch and has no extended
    /// attributes.
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind, mode: u32) -> Self {
        Member {
            path: path.into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            uname: Arc::default(),
            gname: Arc::default(),
            mtime: Timestamp::default(),
            xattrs: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Takes `./` from the front of the path, and of the path that a hard link names.
    pub fn make_plain(&mut self) {
        let target = match &mut self.kind {
            Kind::HardLink { target } => Some(target),
            _ => None,
        };
        for path in [&mut self.path].into_iter().chain(target) {
            let dots = path.len() - without_dots(path).len();
            path.drain(..dots);
        }
    }

    /// Size of the file in bytes, holes included; zero for everything but regular files.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::Regular { size } => size,
            _ => 0,
        }
    }
}

fn without_dots(path: &[u8]) -> &[u8] {
    let mut plain = path;
    while let Some(shorter) = plain.strip_prefix(b"./") {
        let slashes = shorter.iter().take_while(|&&byte| byte == b'/').count();
        plain = &shorter[slashes..];
    }
    plain
}
