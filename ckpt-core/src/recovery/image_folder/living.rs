//! The folder of a run that is at work.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::{ARCHIVE, IMAGE, PREFIX};
use crate::host::session::{self, SessionError};
use crate::host::waiting::Waiting;

/// One of a living run, which goes with this value.
#[derive(Debug)]
pub(crate) struct ImageFolder {
    folder: TempDir,
    /// Locked.
    _claim: File,
}

impl ImageFolder {
    /// Makes one in podman's storage. Nobody looks for dead ones meanwhile: this one is not locked at once.
    ///
    /// # Errors
    /// [`SessionError`].
    pub(crate) fn create(graph_root: &Path, waiting: &mut Waiting<'_>) -> Result<Self, SessionError> {
        let _all = session::lock_all(waiting)?;
        let failed = |source| SessionError::new("make a folder in", graph_root, source);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(graph_root).map_err(failed)?;
        let claim = File::open(folder.path()).map_err(failed)?;
        flock(&claim, FlockOperation::NonBlockingLockExclusive).map_err(|errno| failed(errno.into()))?;
        Ok(ImageFolder { folder, _claim: claim })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.path().join(ARCHIVE)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.path().join(IMAGE)
    }

    /// Leaves it where it is; gives the archive.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep().join(ARCHIVE)
    }
}
