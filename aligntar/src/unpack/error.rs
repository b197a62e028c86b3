//! What can go wrong with a member, and why one is refused.

use rustix::io::Errno;

use crate::align::AlignError;
use crate::safe_path::BadPath;
use crate::shown::ShownName;
use crate::transfer::TransferError;

/// Why a member could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The block size of the target's file system is unknown.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// A thread could not be started.
    #[error("start a thread")]
    Thread(#[source] std::io::Error),
    /// The archive asks for something that is not done.
    #[error("member {path:?} at offset {offset} is refused: {why}")]
    Refused {
        /// The member's path.
        path: ShownName,
        /// Its header's offset in the archive.
        offset: u64,
        /// The reason.
        why: Refusal,
    },
    /// An extended attribute could not be set, an ACL among them.
    #[error("member {path:?} at offset {offset}: set its attribute {name}")]
    Attribute {
        /// The member's path.
        path: ShownName,
        /// Its header's offset in the archive.
        offset: u64,
        /// The attribute's.
        name: ShownName,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// A system call failed.
    #[error("member {path:?} at offset {offset}: {call}")]
    Call {
        /// The member's path.
        path: ShownName,
        /// Its header's offset in the archive.
        offset: u64,
        /// The system call.
        call: &'static str,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// The data could not be moved.
    #[error("member {path:?} at offset {offset}")]
    Data {
        /// The member's path.
        path: ShownName,
        /// Its header's offset in the archive.
        offset: u64,
        /// What happened.
        #[source]
        source: TransferError,
    },
    /// A parent directory is missing, and [`Parents`](super::Parents) could not make it.
    #[error("member {path:?} at offset {offset}: its parent directory cannot be made")]
    Parent {
        /// The member's path.
        path: ShownName,
        /// Its header's offset in the archive.
        offset: u64,
        /// What [`Parents::make`](super::Parents::make) said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl UnpackError {
    /// Offset of the member's header in the archive; `None` if the error is of no member.
    pub fn offset(&self) -> Option<u64> {
        match *self {
            UnpackError::Alignment(_) | UnpackError::Thread(_) => None,
            UnpackError::Refused { offset, .. }
            | UnpackError::Attribute { offset, .. }
            | UnpackError::Call { offset, .. }
            | UnpackError::Data { offset, .. }
            | UnpackError::Parent { offset, .. } => Some(offset),
        }
    }
}

/// Why a member is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its path cannot lie below the target.
    #[error("its path cannot be used, {0}")]
    Path(BadPath),
    /// A hard link to a path that cannot lie below the target.
    #[error("it links to a path that cannot be used, {0}")]
    LinkTarget(BadPath),
    /// A component of its path, or of its hard link's target, is a symbolic link that this run has not made or does not
    /// follow.
    #[error("its path leads through a symbolic link")]
    ThroughSymlink,
    /// A component of its path, or of its hard link's target, is a symbolic link of the archive that leads out of the
    /// target directory.
    #[error("its path leads through a symbolic link out of the directory")]
    LinkToOutside,
    /// A component of its path, or of its hard link's target, is a symbolic link of the archive that leads to no
    /// directory, or through too many others.
    #[error("its path leads through a symbolic link to no directory")]
    LinkToNothing,
    /// A component of its path, or of its hard link's target, is neither a directory nor a symbolic link.
    #[error("its path leads through a file that is not a directory")]
    ThroughFile,
    /// A hard link to a directory, which Linux does not have.
    #[error("it is a hard link to a directory")]
    LinkToDirectory,
    /// It would take the place of the target directory, or be another name of it.
    #[error("it would replace the target directory itself")]
    Root,
    /// Its owner or group has more than 32 bits, or is 2^32 - 1, which means "none" to chown(2).
    #[error("its owner or group is no number that Linux has")]
    Owner,
    /// Its name leads to something else than what was made a moment before: somebody else changes the directory.
    #[error("something else has taken its place")]
    Replaced,
    /// Major number over 4095 or minor number over 1,048,575 (linux/kdev_t.h).
    #[error("its device number is larger than Linux allows")]
    DeviceNumber,
    /// Its size is over 2^63 - 1 bytes, or its data ends past what can be counted or past the end of the archive.
    #[error("its data does not fit: {size} bytes, of which {stored_len} from offset {data_offset}")]
    Length {
        /// Of the file, bytes.
        size: u64,
        /// In the archive, bytes.
        stored_len: u64,
        /// Where they start.
        data_offset: u64,
    },
    /// Spans of its sparse map overlap, do not rise, end past its size, or take more than its data.
    #[error("span {index} of its sparse map does not fit")]
    SparseMap {
        /// The first span that is wrong, from 0; the number of spans where only the sum is.
        index: usize,
    },
    /// The archive is a stream, under [`ClonePolicy::Required`](crate::ClonePolicy::Required).
    #[error("its data comes from a stream, which cannot be cloned")]
    NotCloneable,
    /// Directories that wait for their attributes take more than
    /// [`UnpackOptions::pending_bytes`](super::UnpackOptions::pending_bytes).
    #[error("the directories before it take more than the limit of {limit} bytes of memory")]
    TooManyDirectories {
        /// The limit.
        limit: usize,
    },
}
