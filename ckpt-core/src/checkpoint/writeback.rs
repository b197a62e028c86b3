//! Dirty pages, written out before the freeze: a clone of a file with dirty pages would do it inside.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::{self, JoinHandle};

use super::CheckpointError;
use crate::storage;

/// The storage's file system being synced, while podman is asked for the container.
pub(super) struct Writeback(JoinHandle<Option<u64>>);

/// Starts with the storage that is configured; that it holds the container turns out later.
pub(super) fn begin() -> Writeback {
    Writeback(thread::spawn(|| sync(storage::configured()?.graph_root()).ok()))
}

impl Writeback {
    /// Waits until the file system that holds `upperdir` is written out (ioctl_ficlonerange(2) writes dirty pages out
    /// first, and would do so with the container frozen).
    pub(super) fn finish(self, upperdir: &Path) -> Result<(), CheckpointError> {
        let error = |source| CheckpointError::Writeback { path: upperdir.to_owned(), source };
        // A panic there is no reason to stop: it is done again here.
        let synced = self.0.join().unwrap_or_default();
        if synced != Some(upperdir.metadata().map_err(error)?.dev()) {
            sync(upperdir).map_err(error)?;
        }
        Ok(())
    }
}

/// Writes out the file system that holds `folder`; gives its device number.
fn sync(folder: &Path) -> io::Result<u64> {
    let opened = File::open(folder)?;
    rustix::fs::syncfs(&opened)?;
    Ok(opened.metadata()?.dev())
}
