//! What is wrong with images.

use rustix::io::Errno;

use crate::framing::FramingError;

/// Why images cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// An image that belongs to the checkpoint is not there.
    #[error("{name} is not among the images")]
    Missing {
        /// Its name.
        name: String,
    },
    /// An image that cannot be read, or is too large to be one.
    #[error("cannot read {name}")]
    Read {
        /// Its name.
        name: String,
        /// `FBIG` if it is too large.
        source: Errno,
    },
    /// An image that is none.
    #[error("{name}")]
    Framing {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: FramingError,
    },
    /// A page map without its first message.
    #[error("{name} is empty")]
    Empty {
        /// Its name.
        name: String,
    },
    /// Pages that lie at no possible address, or not behind those before them.
    #[error("{name} has {pages} pages at {address:#x}, where none can be")]
    Address {
        /// Its name.
        name: String,
        /// The address.
        address: u64,
        /// How many there are.
        pages: u64,
    },
    /// Pages marked to come later in memory for which CRIU waits for none.
    #[error("{name} marks pages at {address:#x} that cannot come later")]
    NotLazy {
        /// Its name.
        name: String,
        /// The address.
        address: u64,
    },
    /// There are fewer pages than the page map says.
    #[error("{name} has {found} bytes, and {expected} are mapped")]
    Short {
        /// Its name.
        name: String,
        /// Its length.
        found: u64,
        /// What the page map needs.
        expected: u64,
    },
    /// A process that is listed more than once.
    #[error("pstree.img lists process {pid} twice: it is damaged or forged")]
    ProcessTwice {
        /// Its ID.
        pid: i32,
    },
    /// More processes than can be.
    #[error("pstree.img has more processes than Linux allows: it is damaged or forged")]
    TooManyProcesses,
}
