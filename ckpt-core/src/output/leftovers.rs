//! Names beside, which killed runs left to files that never got their own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// How they begin and end.
pub(super) const PREFIX: &str = ".ckpt-";
pub(super) const SUFFIX: &str = ".partial";

/// Marks `file` as one that a living run is at. Where a file system has no locks, nobody will take it for a dead one's.
pub(super) fn claim(file: &File) {
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
}

/// Removes those in `folder` that no living run has claimed; what cannot be removed stays.
pub(super) fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_beside(&entry.file_name()) && is_unclaimed(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_beside(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes()) && name.as_bytes().ends_with(SUFFIX.as_bytes())
}

fn is_unclaimed(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = open(path, flags, Mode::empty()).map(File::from) else { return false };
    // An empty one may have been begun right now, and is yet to be claimed.
    let has_data = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
    has_data && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_run_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".ckpt-dead.partial", ".ckpt-alive.partial", ".ckpt-other", "x.partial"] {
            fs::write(path(name), "x").unwrap();
        }
        fs::write(path(".ckpt-begun.partial"), "").unwrap();
        std::os::unix::fs::symlink("x.partial", path(".ckpt-link.partial")).unwrap();
        let alive = File::open(path(".ckpt-alive.partial")).unwrap();
        claim(&alive);
        remove(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let expected = [".ckpt-alive.partial", ".ckpt-begun.partial", ".ckpt-link.partial", ".ckpt-other", "x.partial"];
        assert_eq!(left, expected);
        drop(alive);
        remove(folder.path());
        assert!(!path(".ckpt-alive.partial").exists());
    }
}
