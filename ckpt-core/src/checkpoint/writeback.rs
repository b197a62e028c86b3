//! Writes dirty pages out before the freeze. Otherwise the clone of such a file would do it while the container is
//! frozen.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::{self, JoinHandle};

use super::CheckpointError;
use crate::engine::storage;

/// The storage's file system being synced, while podman is asked for the container.
pub(super) struct Writeback(JoinHandle<Option<u64>>);

/// Starts with the storage that is configured. Whether that holds the container turns out later.
pub(super) fn begin() -> Writeback {
    Writeback(thread::spawn(|| sync(storage::configured()?.graph_root()).ok()))
}

impl Writeback {
    /// Waits until each file system that holds one of `folders` is written out (ioctl_ficlonerange(2) writes dirty
    /// pages out first, and would do so with the container frozen).
    pub(super) fn finish<'f>(self, folders: impl Iterator<Item = &'f Path>) -> Result<(), CheckpointError> {
        // A panic there is no reason to stop: it is done again here.
        let mut synced = self.0.join().unwrap_or_default().into_iter().collect();
        sync_each(folders, &mut synced)
    }
}

/// Writes out the file systems of `folders` that are not `synced` yet, by their device numbers.
fn sync_each<'f>(folders: impl Iterator<Item = &'f Path>, synced: &mut BTreeSet<u64>) -> Result<(), CheckpointError> {
    for folder in folders {
        let error = |source| CheckpointError::Writeback { path: folder.to_owned(), source };
        if !synced.contains(&folder.metadata().map_err(error)?.dev()) {
            synced.insert(sync(folder).map_err(error)?);
        }
    }
    Ok(())
}

/// Writes out the file system that holds `folder`; gives its device number.
fn sync(folder: &Path) -> io::Result<u64> {
    let opened = File::open(folder)?;
    rustix::fs::syncfs(&opened)?;
    Ok(opened.metadata()?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_system_is_written_out_once() {
        let (here, shm) = (Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("/dev/shm"));
        let [device, memory] = [here, shm].map(|folder| folder.metadata().unwrap().dev());
        assert_ne!(device, memory);
        let mut synced = BTreeSet::new();
        sync_each([here, &here.join("src"), shm].into_iter(), &mut synced).unwrap();
        assert_eq!(synced, BTreeSet::from([device, memory]));
        assert!(sync_each([Path::new("/no/such/folder")].into_iter(), &mut synced).is_err());
    }
}
