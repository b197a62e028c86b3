//! What of a tree is packed, and how.

use std::fs::File;

use rustix::fs::Stat;

use crate::inode::XattrFilter;
use crate::member::{Member, Timestamp};

/// What to do with sockets, which tar cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketPolicy {
    /// [`InodeError::Socket`](crate::InodeError::Socket).
    #[default]
    Error,
    /// Leave them out and list them in [`Packer::omitted_sockets`](super::Packer::omitted_sockets).
    Omit,
}

/// What to do about files that change, or go, while the tree is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangePolicy {
    /// Stop with [`PackError::Changed`](super::PackError::Changed), or what the call gave.
    #[default]
    Error,
    /// Go on, and list them in [`Packer::changed`](super::Packer::changed). A file has the length that it had when it
    /// was begun, or a later one if it ended before that.
    List,
}

/// What to do about files that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnreadablePolicy {
    /// Stop with what the call gave for the first one.
    #[default]
    Error,
    /// Go on, and list them in [`Packer::unreadable`](super::Packer::unreadable). They are not in the archive, but for
    /// data that only fails when it is read: zeros are in its place.
    List,
}

/// Which time of change a member gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MtimePolicy {
    /// Its own.
    #[default]
    Keep,
    /// Its own, but none after this, as reproducible builds use SOURCE_DATE_EPOCH.
    Clamp(Timestamp),
    /// This one.
    Set(Timestamp),
}

/// What of a tree is packed, and how; all defaults take everything as it is.
#[derive(Clone, Copy)]
pub struct PackOptions<'p> {
    /// Which extended attributes to take. By default all but `security.selinux`, which the target's policy sets.
    pub keep_xattr: XattrFilter<'p>,
    /// Which members to leave out, with all that is below them, by their paths in the archive. By default none.
    pub exclude: &'p (dyn Fn(&[u8]) -> bool + Sync),
    /// Files to leave out by their device and inode numbers, whatever their names, such as the archive itself; they are
    /// in [`Packer::omitted_files`](super::Packer::omitted_files). By default none.
    pub omit: &'p [(u64, u64)],
    /// Whether a directory on another file system than the tree's root is packed without its content. By default it is
    /// packed like all others.
    pub one_file_system: bool,
    /// Sockets are an error by default.
    pub sockets: SocketPolicy,
    /// Files that cannot be read are an error by default.
    pub unreadable: UnreadablePolicy,
    /// Files that change are an error by default.
    pub changes: ChangePolicy,
    /// An empty file on the trees' file system, for this use alone. A file that is being written to is first cloned
    /// into it as a whole, so that its data is of one moment. By default none; used under [`ChangePolicy::List`].
    pub scratch: Option<&'p File>,
    /// User and group ID for all members instead of their own.
    pub owner: Option<(u64, u64)>,
    /// Times are kept by default.
    pub mtime: MtimePolicy,
    /// Threads that read files while the calling one writes; with them, one more lists directories. By default none.
    pub readers: usize,
}

impl Default for PackOptions<'_> {
    fn default() -> Self {
        PackOptions {
            keep_xattr: &|name| name != b"security.selinux",
            exclude: &|_| false,
            omit: &[],
            one_file_system: false,
            sockets: SocketPolicy::default(),
            unreadable: UnreadablePolicy::default(),
            changes: ChangePolicy::default(),
            scratch: None,
            owner: None,
            mtime: MtimePolicy::default(),
            readers: 0,
        }
    }
}

impl PackOptions<'_> {
    /// Whether the inode is one of those to leave out.
    pub(super) fn omits(&self, stat: &Stat) -> bool {
        self.omit.contains(&(stat.st_dev, stat.st_ino))
    }

    /// Gives `member` the owner and the time that it shall have.
    pub(super) fn apply(&self, member: &mut Member) {
        if let Some((uid, gid)) = self.owner {
            (member.uid, member.gid) = (uid, gid);
        }
        member.mtime = match self.mtime {
            MtimePolicy::Keep => member.mtime,
            MtimePolicy::Clamp(latest) => member.mtime.min(latest),
            MtimePolicy::Set(time) => time,
        };
    }
}
