//! Temporary names that killed runs left in a folder: their files never got the names they were made for.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// How they end.
pub(super) const SUFFIX: &str = ".partial";

/// How those of this host begin. On a network file system, locks may not reach other hosts: what begins otherwise is left
/// to the host that made it.
pub(super) fn prefix() -> String {
    let host = ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"].into_iter().find_map(|path| fs::read(path).ok());
    let mut hasher = DefaultHasher::new();
    // machine-id(5): it is not for others to know.
    hasher.write(&host.unwrap_or_default());
    format!(".ckpt-{:016x}-", hasher.finish())
}

/// Marks `file` as one that a living run is at. Where a file system has no locks, nobody will take it for a dead one's.
pub(super) fn claim(file: &File) {
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
}

/// Removes those in `folder` that no living run has claimed; what cannot be removed stays.
pub(super) fn remove(folder: &Path) {
    let prefix = prefix();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_beside(&entry.file_name(), &prefix) && is_unclaimed(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_beside(name: &OsStr, prefix: &str) -> bool {
    name.as_bytes().starts_with(prefix.as_bytes()) && name.as_bytes().ends_with(SUFFIX.as_bytes())
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
    use std::collections::BTreeSet;
    use std::ffi::OsString;

    #[test]
    fn only_what_a_dead_run_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| format!("{}{name}.partial", prefix());
        let path = |name: &str| folder.path().join(name);
        let (dead, alive, begun, link) = (name("dead"), name("alive"), name("begun"), name("link"));
        let others = [".ckpt-other", ".ckpt-0123456789abcdef-of-another-host.partial", "x.partial"];
        for name in [&dead[..], &alive].into_iter().chain(others) {
            fs::write(path(name), "x").unwrap();
        }
        fs::write(path(&begun), "").unwrap();
        std::os::unix::fs::symlink("x.partial", path(&link)).unwrap();
        let claimed = File::open(path(&alive)).unwrap();
        claim(&claimed);
        remove(folder.path());
        let left = || -> BTreeSet<_> {
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        };
        let expected = [&alive[..], &begun, &link].into_iter().chain(others).map(OsString::from).collect();
        assert_eq!(left(), expected);
        drop(claimed);
        remove(folder.path());
        assert!(!path(&alive).exists());
    }
}
