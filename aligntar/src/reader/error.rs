//! Why an archive cannot be read on.

use std::io;

use crate::compressed::Compression;
use crate::parse::HeaderError;
use crate::pax::PaxError;
use crate::shown::ShownName;
use crate::sparse::SparseError;

/// Why an archive cannot be read on; offsets count bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The first block is not a header.
    #[error("not a tar archive")]
    NotAnArchive(#[source] HeaderError),
    /// The file is compressed, and was given as it is; zstd and gzip are read through [`crate::Decompressed`].
    #[error("compressed with {}: decompress it first", .0.name())]
    Compressed(Compression),
    /// A block is not a header where one should be.
    #[error("damaged header at offset {offset}")]
    Header {
        /// Where the block is.
        offset: u64,
        /// What is wrong.
        #[source]
        source: HeaderError,
    },
    /// An extended header is broken.
    #[error("damaged pax header at offset {offset}")]
    Pax {
        /// Where its header block is.
        offset: u64,
        /// What is wrong.
        #[source]
        source: PaxError,
    },
    /// A sparse member whose map cannot be used.
    #[error("sparse member {path:?} at offset {offset}")]
    Sparse {
        /// Where its header block is.
        offset: u64,
        /// The member's path.
        path: ShownName,
        /// What is wrong.
        #[source]
        source: SparseError,
    },
    /// The archive ends inside a member, or without an end marker that was asked for.
    #[error(
        "truncated at offset {offset} or behind it: the archive ends in the middle of a member, or without its end marker"
    )]
    Truncated {
        /// Where bytes are missing.
        offset: u64,
    },
    /// Something is longer than [`crate::Limits`] allow.
    #[error("{what} of {len} bytes at offset {offset} is over the limit of {limit} bytes")]
    TooLong {
        /// Where its header block is.
        offset: u64,
        /// What it is.
        what: &'static str,
        /// Its length.
        len: u64,
        /// The limit.
        limit: u64,
    },
    /// More than [`crate::Limits::headers_per_member`] headers without a member.
    #[error("no member follows {limit} headers, which is the limit, at offset {offset}")]
    TooManyHeaders {
        /// Where the first header over the limit is.
        offset: u64,
        /// The limit.
        limit: u64,
    },
    /// A member of a kind that this reader does not know.
    #[error("member {path:?} at offset {offset} is of a kind that cannot be read: {what}")]
    Unsupported {
        /// Where its header block is.
        offset: u64,
        /// The member's path.
        path: ShownName,
        /// The kind.
        what: String,
    },
    /// The medium failed.
    #[error("read at offset {offset}")]
    Io {
        /// Where.
        offset: u64,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
}

impl ReadError {
    /// Where in the archive, bytes.
    pub fn offset(&self) -> u64 {
        match *self {
            ReadError::NotAnArchive(_) | ReadError::Compressed(_) => 0,
            ReadError::Header { offset, .. }
            | ReadError::Pax { offset, .. }
            | ReadError::Sparse { offset, .. }
            | ReadError::Truncated { offset }
            | ReadError::TooLong { offset, .. }
            | ReadError::TooManyHeaders { offset, .. }
            | ReadError::Unsupported { offset, .. }
            | ReadError::Io { offset, .. } => offset,
        }
    }
}
