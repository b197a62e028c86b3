//! Why it cannot be told what goes on in a container.

use criu_images::{FramingError, ImageError};

use crate::archive::ArchiveError;

/// Why it cannot be told what goes on in a container.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// An image that is none.
    #[error("CRIU's images cannot be read")]
    Image(#[from] ImageError),
    /// CRIU's statistics are none.
    #[error("stats-dump {0}")]
    Statistics(FramingError),
    /// Another member is none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A hostile archive, or one of more than this program was made for.
    #[error("there is more to tell than {limit} bytes: ask for fewer parts, or for one process with --pid")]
    TooMuch {
        /// Bytes.
        limit: u64,
    },
    /// The container did not run.
    #[error("the archive has no processes: its container did not run when it was saved")]
    NoProcesses,
    /// Nobody has this ID.
    #[error("it has no process {pid}: `ckpt inspect --ps` lists those it has")]
    NoProcess {
        /// In the container.
        pid: u32,
    },
}
