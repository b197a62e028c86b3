//! Why archives do not share what is equal in them.

use std::io;
use std::path::PathBuf;

use aligntar::AlignError;
use criu_images::ImageError;
use rustix::io::Errno;

use crate::archive::ArchiveError;

/// Why archives do not share what is equal in them.
#[derive(Debug, thiserror::Error)]
pub enum DedupError {
    /// One archive has nothing to share with.
    #[error("dedup needs two archives or more: the first, and those that are to share its blocks")]
    TooFew,
    /// An archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A page map is none.
    #[error("{}", path.display())]
    Image {
        /// The archive.
        path: PathBuf,
        /// Which image, and what is wrong with it.
        #[source]
        source: ImageError,
    },
    /// A pipe, a directory or a device.
    #[error("{} is no file: only files can share blocks", path.display())]
    NoFile {
        /// Its name.
        path: PathBuf,
    },
    /// Compressed data lies on no blocks.
    #[error(
        "{} is compressed, and nothing in it can be shared: decompress it first (zstd -d, gunzip), then `ckpt align`",
        path.display()
    )]
    Compressed {
        /// The archive.
        path: PathBuf,
    },
    /// Two names of one file.
    #[error("{} and {} are the same file: name two archives", source_path.display(), target.display())]
    Same {
        /// The one.
        source_path: PathBuf,
        /// The other.
        target: PathBuf,
    },
    /// Blocks are shared within one file system.
    #[error("{} and {} lie on different file systems: archives can share blocks on one only. Copy one of them to the other's", source_path.display(), target.display())]
    FileSystems {
        /// The one.
        source_path: PathBuf,
        /// The other.
        target: PathBuf,
    },
    /// ext4, tmpfs and others.
    #[error("files cannot share blocks where {} lies: that takes BTRFS, or XFS with reflink", target.display())]
    CannotShare {
        /// The archive.
        target: PathBuf,
    },
    /// The kernel gives other blocks only to files of the caller.
    #[error("{} is not yours to change, or immutable: be its owner or root", target.display())]
    NotOwner {
        /// The archive.
        target: PathBuf,
    },
    /// The file system's block size is unknown.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// FIDEDUPERANGE failed.
    #[error("share blocks of {} with {}", source_path.display(), target.display())]
    Share {
        /// Whose blocks.
        source_path: PathBuf,
        /// With whom.
        target: PathBuf,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// FIEMAP failed.
    #[error("ask for the blocks of {}", path.display())]
    Extents {
        /// The archive.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// Data cannot be read to be compared.
    #[error("read {} at offset {offset}", path.display())]
    Read {
        /// The archive.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// By the caller.
    #[error("interrupted: what was shared by then stays shared, and both archives are whole")]
    Interrupted,
}
