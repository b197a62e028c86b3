//! Removes network namespaces that podman made, and was killed before it could note them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, UnmountFlags, open_tree, unmount};

use crate::engine::{Engine, EngineError};
use crate::host::processes;

/// Where podman mounts them, each over an empty file `netns-UUID`.
const FOLDER: &str = "/run/netns";

/// Why it is not known which are unused, or one is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetnsError {
    #[error("list {FOLDER}")]
    List(#[source] io::Error),
    #[error(transparent)]
    Podman(#[from] EngineError),
    #[error("remove {}", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// Those made at a time that is `ours`, with no process in them, and of no container of this store. Another store's
/// containers have processes in theirs, also before they run, but for the moment in which their podman is at work on
/// that.
///
/// podman notes a container before it makes the network namespace, and holds the container's lock until it has noted
/// that as well; `podman container inspect` takes the lock. So what was there before it was asked, and is not in its
/// answer, is nobody's.
pub(crate) fn unused(engine: &dyn Engine, ours: impl Fn(SystemTime) -> bool) -> Result<Vec<PathBuf>, NetnsError> {
    let mut found = made_at(ours).map_err(NetnsError::List)?;
    if !found.is_empty() {
        let used: BTreeSet<PathBuf> = engine.network_namespaces()?.into_iter().collect();
        let lived_in = processes::network_namespaces();
        // What cannot be looked at is left alone.
        found.retain(|path| !used.contains(path) && inode(path).is_ok_and(|inode| !lived_in.contains(&inode)));
    }
    Ok(found)
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.ino())
}

/// Unmounts and removes one; its interfaces go with it.
pub(crate) fn remove(path: &Path) -> Result<(), NetnsError> {
    // It may not have been mounted yet.
    let _ = unmount(path, UnmountFlags::DETACH);
    fs::remove_file(path).map_err(|source| NetnsError::Remove { path: path.to_owned(), source })
}

/// The times are of the files below the mounts: a copy of the folder's own mount shows them.
fn made_at(ours: impl Fn(SystemTime) -> bool) -> io::Result<Vec<PathBuf>> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let copy = match open_tree(CWD, FOLDER, flags) {
        // Without the folder, podman has made none.
        Err(Errno::NOENT) => return Ok(Vec::new()),
        copy => copy?,
    };
    // What open_tree gives is a mere path.
    let folder = openat(copy, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let name = entry?.file_name().to_owned();
        let stat = match statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            // Its owner has just removed it.
            Err(Errno::NOENT) => continue,
            stat => stat?,
        };
        let made = SystemTime::UNIX_EPOCH + Duration::new(stat.st_mtime as u64, stat.st_mtime_nsec as u32);
        let name = name.to_string_lossy();
        if name.starts_with("netns-") && ours(made) {
            found.push(Path::new(FOLDER).join(&*name));
        }
    }
    Ok(found)
}
