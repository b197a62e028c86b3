//! Archives that only some can read: files of age(1), <https://age-encryption.org/v1>. Memory holds passwords and keys.
//!
//! Such a file is no archive before it is decrypted to its end: age authenticates 64 KiB at a time, so a file that was cut
//! off is found out only there. So it is decrypted into a file without a name first, and nothing of it is used before.

#[cfg(feature = "encryption")]
mod age;
#[cfg(not(feature = "encryption"))]
mod none;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

#[cfg(feature = "encryption")]
pub use self::age::{Identities, Recipients};
#[cfg(not(feature = "encryption"))]
pub(crate) use self::none::Recipients;
use super::error::ArchiveError;

/// How an encrypted file begins: age's own form, and the one in letters.
const BEGINNINGS: [&[u8]; 2] = [b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----"];

/// What the name of an encrypted file has at its end.
pub const ENDING: &str = "age";

/// Whether `file` is encrypted, as its first bytes say.
///
/// # Errors
/// pread(2).
pub fn is_encrypted(file: &File) -> io::Result<bool> {
    let mut beginning = [0; 40];
    let mut length = 0;
    while length < beginning.len() {
        match file.read_at(&mut beginning[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(BEGINNINGS.iter().any(|expected| beginning[..length].starts_with(expected)))
}

/// Why something is not encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// A file of keys cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Whoever it is meant for is not understood.
    #[error(
        "{} is neither a recipient (age1…) nor a file of such: `age-keygen -y KEYFILE` prints that of a key",
        word.display()
    )]
    Recipient {
        /// What was given.
        word: PathBuf,
    },
    /// A line of a file is no key.
    #[error("line {line} of {} is no {what} of age", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What it should be.
        what: &'static str,
    },
    /// A file without any key.
    #[error("{} has no {what} of age", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should have.
        what: &'static str,
    },
    /// It was encrypted for others.
    #[error("{} is encrypted for somebody else: no key that --identity names opens it", path.display())]
    WrongIdentity {
        /// The file.
        path: PathBuf,
    },
    /// It was damaged, cut off, or changed.
    #[error("{} is damaged, cut off or changed: it cannot be decrypted to its end. Nothing of it was used", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// It is not encrypted in a way that is understood.
    #[error("{} is encrypted in a way that is not understood here: {why}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What age says.
        why: String,
    },
    /// It is not encrypted at all.
    #[error("{} is not encrypted: leave --identity away", path.display())]
    Plain {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for what is in it, or no file for it.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn encrypted_files_are_known_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"age-encryption.org/v1\n-> X25519 x"[..], true),
            (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl", true),
            (b"age-encryption.org/v2\n", false),
            (b"age", false),
            (b"", false),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            assert_eq!(is_encrypted(&file).unwrap(), expected);
        }
    }
}
