//! The folder of a checkpoint that is to be an image in podman's storage (`checkpoint --create-image`).
//!
//! ```text
//! GRAPH_ROOT/ckpt-image-XXXXXX/     locked by flock(2) for as long as its run lives
//!   checkpoint.tar                  once the checkpoint is whole
//!   image/                          the same as an image, for podman to pull
//! ```
//!
//! The archive may be all that is left of a container that has stopped, so nobody removes it but who has the image.

#[cfg(feature = "images")]
mod living;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::host::lock_holder;
use crate::host::waiting::Waiting;
#[cfg(feature = "images")]
pub(crate) use living::ImageFolder;

/// How names of such folders begin.
const PREFIX: &str = "ckpt-image-";
const ARCHIVE: &str = "checkpoint.tar";
const IMAGE: &str = "image";

/// Tells of archives that no run makes an image of any more, and removes folders without one. Call it with all sessions
/// locked.
pub(super) fn tell(graph_root: &Path, waiting: &mut Waiting<'_>) {
    let entries = fs::read_dir(graph_root).into_iter().flatten().flatten();
    let is_one = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(PREFIX));
    for folder in entries.filter(|entry| is_one(&entry.file_name())).map(|entry| entry.path()) {
        match put_right(&folder) {
            Ok(Some(archive)) => waiting.warning(&format!(
                "a checkpoint never became the image that it was to be, and is kept as {}: `ckpt restore -i` brings its \
                 container back; remove {} when nobody needs it",
                archive.display(),
                folder.display()
            )),
            Ok(None) => {}
            Err(error) => waiting.warning(&format!("remove {}: {error}", folder.display())),
        }
    }
}

/// The archive in a folder of a dead run; none if there is none, or the run lives.
fn put_right(folder: &Path) -> io::Result<Option<PathBuf>> {
    let claim = File::open(folder)?;
    if !lock_holder::is_gone(&claim) {
        return Ok(None);
    }
    let archive = folder.join(ARCHIVE);
    if !archive.is_file() {
        return fs::remove_dir_all(folder).map(|()| None);
    }
    match fs::remove_dir_all(folder.join(IMAGE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(Some(archive)),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use super::*;

    /// One with an image, and its lock.
    fn folder_in(graph_root: &Path) -> (PathBuf, File) {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(graph_root).unwrap().keep();
        fs::create_dir(folder.join(IMAGE)).unwrap();
        let claim = File::open(&folder).unwrap();
        flock(&claim, FlockOperation::NonBlockingLockExclusive).unwrap();
        (folder, claim)
    }

    #[test]
    fn only_a_dead_runs_archive_is_told_and_it_is_kept() {
        let graph_root = tempfile::tempdir().unwrap();
        let (path, claim) = folder_in(graph_root.path());
        let archive = path.join(ARCHIVE);
        fs::write(&archive, "x").unwrap();
        assert_eq!(put_right(&path).unwrap(), None);
        assert!(path.join(IMAGE).is_dir());
        drop(claim);
        for _ in 0..2 {
            assert_eq!(put_right(&path).unwrap(), Some(archive.clone()));
            assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_dead_runs_folder_without_an_archive_goes() {
        let graph_root = tempfile::tempdir().unwrap();
        let (path, _) = folder_in(graph_root.path());
        assert_eq!(put_right(&path).unwrap(), None);
        assert!(!path.exists());
    }
}
