//! Network namespaces that a killed podman made, and did not come to note.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, statat};
use rustix::mount::{OpenTreeFlags, UnmountFlags, open_tree, unmount};

use crate::engine::Engine;
use crate::podman::PodmanError;

/// Where podman mounts them, each over an empty file `netns-UUID`.
const FOLDER: &str = "/run/netns";

/// A podman at work has noted the namespace it made before this is over.
const NOTED_WITHIN: Duration = Duration::from_secs(1);

/// Those made at a time that is `ours`, and in use by no container: not now, nor a moment later.
pub(crate) fn unused(engine: &dyn Engine, ours: impl Fn(SystemTime) -> bool) -> Result<Vec<PathBuf>, PodmanError> {
    // Without the folder, podman has made none.
    let mut found = made_at(ours).unwrap_or_default();
    for wait in [Duration::ZERO, NOTED_WITHIN] {
        if !found.is_empty() {
            sleep(wait);
            let used: BTreeSet<PathBuf> = engine.network_namespaces()?.into_iter().collect();
            found.retain(|path| !used.contains(path));
        }
    }
    Ok(found)
}

/// Unmounts and removes one; its interfaces go with it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    // It may not have been mounted yet.
    let _ = unmount(path, UnmountFlags::DETACH);
    fs::remove_file(path)
}

/// The times are of the files below the mounts: a copy of the folder's own mount shows them.
fn made_at(ours: impl Fn(SystemTime) -> bool) -> io::Result<Vec<PathBuf>> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let folder = File::from(open_tree(CWD, FOLDER, flags)?);
    let mut found = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let name = entry?.file_name().to_owned();
        let stat = statat(folder.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let made = SystemTime::UNIX_EPOCH + Duration::new(stat.st_mtime as u64, stat.st_mtime_nsec as u32);
        let name = name.to_string_lossy();
        if name.starts_with("netns-") && ours(made) {
            found.push(Path::new(FOLDER).join(&*name));
        }
    }
    Ok(found)
}
