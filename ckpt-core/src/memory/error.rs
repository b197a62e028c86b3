//! Why memory cannot be read.

use std::io;
use std::path::PathBuf;

use aligntar::{AlignError, TransferError};
use criu_images::ImageError;

use crate::archive::ArchiveError;

/// Why the memory of an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An image of CRIU cannot be used.
    #[error("{}", path.display())]
    Image {
        /// The archive.
        path: PathBuf,
        /// Which image, and what is wrong with it.
        #[source]
        source: ImageError,
    },
    /// The container did not run.
    #[error("{} holds no memory: its container did not run", path.display())]
    NoMemory {
        /// The archive.
        path: PathBuf,
    },
    /// No process has this ID.
    #[error("no process {pid} is in the checkpoint; there are {}", list(there))]
    NoProcess {
        /// What was asked for.
        pid: u32,
        /// Those that are there.
        there: Vec<u32>,
    },
    /// It has ended already.
    #[error("process {pid} has ended and nobody has waited for it: it has no memory")]
    Zombie {
        /// Its ID.
        pid: u32,
    },
    /// There are several.
    #[error("the checkpoint has several processes: choose one of {} with --pid", list(there))]
    WhichProcess {
        /// Those that are there.
        there: Vec<u32>,
    },
    /// Mappings that lie on one another, or on no page.
    #[error("mm-{pid}.img has a mapping at {address:#x} that cannot be")]
    Mapping {
        /// Of which process.
        pid: u32,
        /// Where it begins.
        address: u64,
    },
    /// A hostile archive: many mappings of memory that is shared in many pieces.
    #[error("process {pid} has memory in more than {limit} pieces, which no process has: it is not looked at")]
    TooManyPieces {
        /// Of which process.
        pid: u32,
        /// How many there may be.
        limit: usize,
    },
    /// Nothing is there.
    #[error("process {pid} has nothing at {address:#x}: see the addresses of its mappings, without --dump")]
    NotMapped {
        /// Of which process.
        pid: u32,
        /// The first such address.
        address: u64,
    },
    /// The memory is a file's, and unchanged.
    #[error("at {address:#x} is {file} as it is on the disk: CRIU keeps only pages that were changed")]
    OfFile {
        /// The first such address.
        address: u64,
        /// The file, for people.
        file: String,
    },
    /// An incremental checkpoint.
    #[error(
        "the page at {address:#x} is in an earlier checkpoint, on which this one builds: look for it there, in podman's archive of the pre-checkpoint"
    )]
    Earlier {
        /// The first such address.
        address: u64,
    },
    /// The kernel's own.
    #[error("at {address:#x} is a page of the kernel, which no checkpoint has")]
    Kernels {
        /// The first such address.
        address: u64,
    },
    /// Not on this processor.
    #[error("core files are made for x86-64 only, and the processes ran on another processor")]
    Processor,
    /// A core file cannot be written.
    #[error("write the core file")]
    Write(#[source] io::Error),
    /// A core file's pages cannot be put there.
    #[error("write the core file")]
    Transfer(#[source] TransferError),
    /// The core file's file system does not say how large its blocks are.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// Who is told of it fails.
    #[error(transparent)]
    Visit(io::Error),
}

/// Some of them; a container may have thousands.
fn list(pids: &[u32]) -> String {
    const SHOWN: usize = 12;
    let mut text = pids.iter().take(SHOWN).map(u32::to_string).collect::<Vec<_>>().join(", ");
    if pids.len() > SHOWN {
        text += ", …";
    }
    text
}
