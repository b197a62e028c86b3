//! Why data did not get from one file to the other.

use std::io;

use rustix::io::Errno;

/// Why data did not get from one file to the other.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Offsets are not multiples of the block size, under [`ClonePolicy::Required`](crate::ClonePolicy::Required).
    #[error("cannot clone from offset {source_offset} to {target_offset}: not on blocks of {fs_block} bytes")]
    Unaligned {
        /// In the source, bytes.
        source_offset: u64,
        /// In the target, bytes.
        target_offset: u64,
        /// Bytes.
        fs_block: u64,
    },
    /// FICLONERANGE failed, or the file system does not clone, under
    /// [`ClonePolicy::Required`](crate::ClonePolicy::Required).
    #[error("FICLONERANGE of {length} bytes from offset {source_offset} to {target_offset}")]
    Clone {
        /// In the source, bytes.
        source_offset: u64,
        /// In the target, bytes.
        target_offset: u64,
        /// Bytes.
        length: u64,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// The source ended before `length` bytes were read: it was truncated meanwhile.
    #[error("the source ended at offset {offset}, {missing} bytes early: it changed while it was read")]
    SourceShrank {
        /// Where the source ended.
        offset: u64,
        /// Bytes that should have followed.
        missing: u64,
    },
    /// Reading the source failed.
    #[error("read at offset {offset}")]
    Read {
        /// In the source, bytes.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Writing the target failed.
    #[error("write at offset {offset}")]
    Write {
        /// In the target, bytes.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}
