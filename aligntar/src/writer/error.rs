//! Why an archive cannot be written.

use std::io;

use crate::align::AlignError;
use crate::shown::ShownName;
use crate::transfer::TransferError;

/// Why a member could not be written.
///
/// The archive is then incomplete. Only after [`WriteError::Source`] and [`WriteError::Stream`] the member is whole,
/// with zeros in place of what could not be read, and the archive can go on.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output's block size is unknown.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// The output could not be written.
    #[error("write the archive at offset {offset}")]
    Output {
        /// In the archive, bytes.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The data of a member could not be moved.
    #[error("member {path:?}")]
    Data {
        /// The member's path.
        path: ShownName,
        /// What happened.
        #[source]
        source: TransferError,
    },
    /// The data of a member could not be read, or ended early: zeros stand in its place, and the archive may go on.
    #[error("read the data of member {path:?}")]
    Source {
        /// The member's path.
        path: ShownName,
        /// What happened; [`TransferError::SourceShrank`] for a file that changed while it was read.
        #[source]
        source: TransferError,
    },
    /// The data of a member could not be read from a stream, or ended early: zeros stand in its place, and the
    /// archive may go on.
    #[error("read the data of member {path:?}")]
    Stream {
        /// The member's path.
        path: ShownName,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The member's size and its data do not agree, or data was given for a member that has none.
    #[error("member {path:?} has a size of {size} bytes, but {given} bytes of data were given")]
    SizeMismatch {
        /// The member's path.
        path: ShownName,
        /// What the member says.
        size: u64,
        /// What was given.
        given: u64,
    },
    /// A path or link target that a tar archive cannot hold: one with a NUL byte, or the empty path of a character
    /// device, which is padding ([`Padding::DummyHeaders`](crate::Padding::DummyHeaders)).
    #[error(
        "{path:?} cannot be in an archive: it or what it links to has a NUL byte, or it is a device without a name"
    )]
    BadPath {
        /// The member's path.
        path: ShownName,
    },
    /// An extended attribute whose name is empty or has a NUL byte, which no file system has and no reader takes.
    #[error("member {path:?} has an extended attribute with the invalid name {name:?}")]
    BadAttribute {
        /// The member's path.
        path: ShownName,
        /// The attribute's name.
        name: ShownName,
    },
    /// Extended attributes, a path and a link target that together are more than readers take.
    #[error("member {path:?} has extended attributes of {len} bytes; readers of pax headers stop at {limit}")]
    ExtensionsTooLong {
        /// The member's path.
        path: ShownName,
        /// Length of its pax header in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An output that is no regular file: only forward, and only copies.
    #[error("{what} needs a regular file as output, not a pipe or a stream")]
    NotAFile {
        /// What was asked for.
        what: &'static str,
    },
    /// Longer than any file can be: `i64::MAX` bytes.
    #[error("member {path:?} does not fit: the archive would be too large")]
    TooLarge {
        /// The member's path.
        path: ShownName,
    },
}
