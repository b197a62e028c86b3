//! Where the store is if nobody says: beside podman's storage, since clones stay on a file system.

use std::fs::{File, metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::engine::{Podman, storage};

/// The folder's name.
const NAME: &str = "ckpt";

/// `GRAPHROOT/../ckpt`, which `podman system reset` leaves alone, unless that is too far away to be cloned to, as where
/// the storage is a mount point. It is in the storage then: podman keeps no folder of that name there, and `system
/// prune` and `check` leave it, but `system reset` empties the whole storage (seen with podman 5.4).
pub(super) fn beside_the_storage() -> Result<PathBuf, StoreError> {
    let storage = storage::of_host(&Podman::anyones()?)?;
    let graph_root = storage.graph_root();
    // A link leads to where its files are.
    let graph_root = graph_root.canonicalize().unwrap_or_else(|_| graph_root.to_owned());
    let failed = |source| StoreError::io("look at", &graph_root, source);
    Ok(match graph_root.parent() {
        Some(parent) if is_near(&graph_root, parent).map_err(failed)? => parent.join(NAME),
        _ => graph_root.join(NAME),
    })
}

/// Whether what is in `graph_root` can be cloned to `folder`, if anywhere.
fn is_near(graph_root: &Path, folder: &Path) -> io::Result<bool> {
    let device = |path: &Path| -> io::Result<Option<u64>> {
        match metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(Some(found?.dev())),
        }
    };
    match device(graph_root)? {
        None => Ok(true),
        here if here == device(folder)? => Ok(true),
        // Subvolumes of BTRFS have devices of their own, and share blocks.
        _ => Ok(clones(graph_root, folder)),
    }
}

fn clones(graph_root: &Path, folder: &Path) -> bool {
    let files = || io::Result::Ok((tempfile::tempfile_in(graph_root)?, tempfile::tempfile_in(folder)?));
    let can_clone = |(source, target): (File, File)| storage::can_clone_file(&source, &target);
    files().and_then(can_clone).unwrap_or(false)
}
