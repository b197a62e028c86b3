//! Files read whole into memory, never more of them than expected.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file could not be read whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Opening or reading failed.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is larger than anything legitimate.
    #[error("{} has more than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes accepted.
        limit: u64,
    },
}

/// The file's bytes; `None` if it does not exist.
pub(crate) fn read_optional(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ReadError::Read { path: path.into(), source }),
    };
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    let len = read.map_err(|source| ReadError::Read { path: path.into(), source })?;
    if len as u64 > limit {
        return Err(ReadError::TooLarge { path: path.into(), limit });
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_whole_and_too_large_are_told_apart() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("file");
        assert!(read_optional(&path, 4)?.is_none());
        std::fs::write(&path, b"1234")?;
        assert_eq!(read_optional(&path, 4)?.as_deref(), Some(&b"1234"[..]));
        assert!(matches!(read_optional(&path, 3), Err(ReadError::TooLarge { limit: 3, .. })));
        assert!(matches!(read_optional(dir.path(), 3), Err(ReadError::Read { .. })));
        Ok(())
    }
}
