//! Who works on a container's archives.
//!
//! | lock | shared | exclusive |
//! |---|---|---|
//! | the file `.lock` in the container's folder | | a save, a rollback: their order is that of the numbers |
//! | an archive | who reads it | who is about to remove it |

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

use super::StoreError;
use crate::host::waiting::Waiting;

const NAME: &str = ".lock";

/// Nobody else saves the container, or rolls it back, as long as this value lives.
#[derive(Debug)]
pub(crate) struct ContainerLock(#[expect(dead_code, reason = "closing the file unlocks it")] File);

impl ContainerLock {
    /// Waits for the one before, if there is one. `folder` is the container's in the store.
    pub(crate) fn take(folder: &Path, waiting: &mut Waiting<'_>) -> Result<Self, StoreError> {
        let path = folder.join(NAME);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(&path, flags, Mode::RUSR | Mode::WUSR);
        let file = file.map_err(|errno| StoreError::io("open", &path, errno.into()))?;
        let told = || format!("another save or rollback is under way in {}: waiting for its end", folder.display());
        let locked = waiting.until(told, || try_lock(&file, FlockOperation::NonBlockingLockExclusive));
        locked.map_err(|source| StoreError::io("lock", &path, source))?;
        Ok(ContainerLock(file.into()))
    }
}

/// An archive that nobody removes as long as this value, or what shares its open file, lives.
#[derive(Debug)]
pub struct Reading {
    file: File,
    path: PathBuf,
}

impl Reading {
    /// Opens the archive at `path` and locks it.
    pub(crate) fn begin(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::io("open", path, source);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match open(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Err(StoreError::Gone { path: path.to_owned() }),
            file => File::from(file.map_err(|errno| failed(errno.into()))?),
        };
        // Who removes it is done in a moment.
        flock(&file, FlockOperation::LockShared).map_err(|errno| StoreError::io("lock", path, errno.into()))?;
        match file.metadata().map_err(failed)?.nlink() {
            0 => Err(StoreError::Gone { path: path.to_owned() }),
            _ => Ok(Reading { file, path: path.to_owned() }),
        }
    }

    /// The open archive.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The same, which holds the lock as long as it is open.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the archive at `path`, unless somebody reads it; gives whether it is gone.
pub(crate) fn remove_unless_read(path: &Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(true),
        file => file?,
    };
    if !try_lock(&file, FlockOperation::NonBlockingLockExclusive)? {
        return Ok(false);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        removed => removed.map(|()| true),
    }
}

fn try_lock(file: impl std::os::fd::AsFd, operation: FlockOperation) -> io::Result<bool> {
    match flock(file, operation) {
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        locked => Ok(locked.map(|()| true)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        fs::write(&path, "archive").unwrap();
        let (one, other) = (Reading::begin(&path).unwrap(), Reading::begin(&path).unwrap());
        assert!(!remove_unless_read(&path).unwrap() && path.exists());
        drop(one);
        assert!(!remove_unless_read(&path).unwrap() && path.exists());
        drop(other);
        assert!(remove_unless_read(&path).unwrap() && !path.exists());
        assert!(remove_unless_read(&path).unwrap());
        assert!(matches!(Reading::begin(&path), Err(StoreError::Gone { .. })));
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, link) = (folder.path().join("precious"), folder.path().join("x.tar"));
        fs::write(&precious, "").unwrap();
        std::os::unix::fs::symlink("precious", &link).unwrap();
        assert!(Reading::begin(&link).is_err() && remove_unless_read(&link).is_err());
        assert!(precious.exists());
    }
}
