//! Folders that a killed CRIU left in `/tmp`: mount points of the roots of mount namespaces that it was to restore.

use std::fs;
use std::path::{Path, PathBuf};

use super::processes::is_anyones_criu;
use crate::host::processes;

/// `create_mnt_roots` in CRIU's `mount.c`.
const PLACE: &str = "/tmp";
const PREFIX: &[u8] = b".criu.mntns.";

/// Removes those that are no CRIU's any more: it is dead whose folder was there before no CRIU was.
///
/// A folder that is in use must stay: removed, it would take the mount in CRIU's namespace with it.
pub(crate) fn remove_unused() {
    let left = left_in(Path::new(PLACE));
    if !left.is_empty() && !processes::all().any(is_anyones_criu) {
        // One with anything in it is not CRIU's. What stays is empty and harms nobody.
        left.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

fn left_in(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let is_criu = |name: &[u8]| name.strip_prefix(PREFIX).is_some_and(|random| random.len() == 6);
    entries.filter(|entry| is_criu(entry.file_name().as_encoded_bytes())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_criu_gives_match() {
        let place = tempfile::tempdir().unwrap();
        for name in [".criu.mntns.aB3xY9", ".criu.mntns.", ".criu.mntns.longer9", "criu.mntns.aB3xY9"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        assert_eq!(left_in(place.path()), [place.path().join(".criu.mntns.aB3xY9")]);
    }
}
