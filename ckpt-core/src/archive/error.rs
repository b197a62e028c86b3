//! Why a file cannot be used as a checkpoint archive.

use std::io;
use std::path::PathBuf;

use aligntar::ReadError;

/// Why a file cannot be used as a checkpoint archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("{call} {}", path.display())]
    Io {
        /// What was tried.
        call: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The archive is damaged, or none.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: ReadError,
    },
    /// The compressed stream is damaged or cut off.
    #[error("{} cannot be decompressed: it is damaged or cut off", path.display())]
    Decompress {
        /// The file.
        path: PathBuf,
        /// What the decompressor says.
        #[source]
        source: io::Error,
    },
    /// A tar archive, but not of a checkpoint.
    #[error("{} is no checkpoint of a container: it has no {missing}", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// The member that is not there.
        missing: &'static str,
    },
    /// It is encrypted.
    #[error(
        "{} is encrypted: --identity FILE opens it, and `age --decrypt` makes a plain archive of it for commands without \
         that option",
        path.display()
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// A nested archive is compressed.
    #[error("{} holds a compressed {member}, as containerd writes it: `ckpt inspect` and `ckpt ls` show what is in it", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// A member that should be JSON is not.
    #[error("{} holds a {member} that is not understood: it is damaged, or a newer podman or ckpt made it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A description of the container that is larger than any.
    #[error("{} holds a {member} of {size} bytes, which no container needs: it is refused", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The member.
        member: &'static str,
        /// Its length in bytes.
        size: u64,
    },
    /// JSON that would take more memory than any checkpoint's.
    #[error("{} holds a {member} with more than a million values, which no container needs: it is refused", path.display())]
    TooManyValues {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// The archive could not be unpacked beside the storage.
    #[error("unpack {} into a file in {}", path.display(), folder.display())]
    Spool {
        /// The file.
        path: PathBuf,
        /// Where it is unpacked.
        folder: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Unpacking it would leave too little space to podman.
    #[error(
        "unpacking {} takes more than {}, and its content is checked before it may take more in {}: make space there, or \
         decompress it to a file elsewhere, which is read in place",
        path.display(),
        gib(*space),
        folder.display()
    )]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Where it is unpacked.
        folder: PathBuf,
        /// Bytes.
        space: u64,
    },
    /// A compressed stream that grows more than that of any checkpoint.
    #[error(
        "{} unpacks to more than 200 times its length, which no checkpoint does: it is refused. If you trust it, \
         decompress it first (zstd -d, gunzip): a file that is not compressed is read in place",
        path.display()
    )]
    Grows {
        /// The file.
        path: PathBuf,
    },
    /// A member that no checkpoint has: its path has empty, `.` or `..` components, or an image is no file.
    #[error("{} holds {member:?}, which no checkpoint has: it is refused", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
    /// More members than any checkpoint has.
    #[error("{} holds more members, or longer names, outside of its parts than any checkpoint: it is refused", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// Two members have one name, and readers would not agree on which one counts.
    #[error("{} holds {member:?} twice", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
    },
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
