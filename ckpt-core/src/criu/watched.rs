//! The paths of files that a container watches by inotify or fanotify, which CRIU has to be told.
//!
//! The kernel tells a watch by device and inode (proc_pid_fdinfo(5)). CRIU asks the file system for the path by a
//! handle, which overlay has none of unless mounted with `nfs_export`, and then looks below the paths of
//! `irmap-scan-path` (CRIU, `criu/irmap.c`).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// A file system and an inode in it, as stat(2) has them.
type Identity = (u64, u64);

/// Lines for CRIU's configuration that lead it to what the processes `pids` watch in the root of `init`; none in most
/// containers. Searched as long as the container still runs: CRIU would do so while it stands still.
///
/// What cannot be found, because it is deleted or on another file system, is left to CRIU's own ways.
pub(crate) fn scan_paths(init: u32, pids: impl Iterator<Item = i32>) -> String {
    let root = PathBuf::from(format!("/proc/{init}/root/"));
    let Ok(device) = root.metadata().map(|root| root.dev()) else { return String::new() };
    let watched = pids.flat_map(|pid| watched_by(&format!("/proc/{pid}/fdinfo"))).filter(|(found, _)| *found == device);
    let mut paths = find(&root, watched.collect());
    // CRIU searches each folder to its ground before the next one.
    paths.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    paths.iter().filter_map(|path| line(path)).collect()
}

/// What the descriptors of a process watch; nothing if it is gone.
fn watched_by(fdinfo: &str) -> Vec<Identity> {
    let descriptors = fs::read_dir(fdinfo).into_iter().flatten().flatten();
    descriptors.flat_map(|fd| watches(&fs::read_to_string(fd.path()).unwrap_or_default())).collect()
}

/// The watches of one descriptor, from its lines `inotify wd:1 ino:2a sdev:800013 …` and `fanotify ino:2a sdev:800013
/// …`.
fn watches(fdinfo: &str) -> Vec<Identity> {
    let watch = |line: &str| {
        let (kind, fields) = line.split_once(' ')?;
        let hexadecimal = |name: &str| {
            let value = fields.split_whitespace().find_map(|field| field.strip_prefix(name))?;
            u64::from_str_radix(value, 16).ok()
        };
        let identity = || Some((of_kernel(hexadecimal("sdev:")?), hexadecimal("ino:")?));
        matches!(kind, "inotify" | "fanotify").then(identity)?
    };
    fdinfo.lines().filter_map(watch).collect()
}

/// A device number as the kernel keeps it, with a minor of 20 bits (linux/kdev_t.h), as stat(2) gives it.
fn of_kernel(device: u64) -> u64 {
    rustix::fs::makedev((device >> 20) as u32, (device & 0xf_ffff) as u32)
}

/// The paths of `wanted` below `root`, on its own file system, as seen from it.
fn find(root: &Path, mut wanted: BTreeSet<Identity>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries = WalkDir::new(root).same_file_system(true).into_iter();
    while !wanted.is_empty()
        && let Some(entry) = entries.next()
    {
        let Ok(entry) = entry else { continue };
        let is_wanted = entry.metadata().is_ok_and(|metadata| wanted.remove(&(metadata.dev(), metadata.ino())));
        if is_wanted && let Ok(path) = entry.path().strip_prefix(root) {
            found.push(Path::new("/").join(path));
        }
    }
    found
}

/// CRIU cuts a value at white space and at `#`, also between quotes (`criu/config.c`, `parse_statement`).
fn line(path: &Path) -> Option<String> {
    let path = std::str::from_utf8(path.as_os_str().as_bytes()).ok()?;
    let can_be_said = !path.contains(['"', '\\', '#']) && !path.contains(char::is_whitespace);
    can_be_said.then(|| format!("irmap-scan-path {path}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::inotify;

    #[test]
    fn what_a_process_watches_is_found_by_its_inode() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b c")).unwrap();
        fs::write(root.path().join("a/file"), "x").unwrap();
        let watching = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        for path in ["a/b c", "a/file"] {
            inotify::add_watch(&watching, root.path().join(path), inotify::WatchFlags::MODIFY).unwrap();
        }
        let watched: BTreeSet<Identity> = watched_by("/proc/self/fdinfo").into_iter().collect();
        assert_eq!(watched.len(), 2);
        let mut found = find(root.path(), watched);
        found.sort();
        assert_eq!(found, [PathBuf::from("/a/b c"), "/a/file".into()]);
        assert_eq!(line(&found[1]).unwrap(), "irmap-scan-path /a/file\n");
    }

    #[test]
    fn lines_of_other_descriptors_say_nothing() {
        let fdinfo = "pos:\t0\nflags:\t02000000\nmnt_id:\t16\nino:\t9\neventfd-count: 7\n";
        assert_eq!(watches(fdinfo), []);
        let watch =
            "inotify wd:1 ino:2a sdev:800013 mask:2 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:00\n";
        assert_eq!(watches(watch), [(rustix::fs::makedev(8, 19), 42)]);
    }

    #[test]
    fn paths_that_criu_would_cut_are_left_out() {
        for path in ["/a\"b", "/a\nb", "/a\\b", "/a#b", "/a b"] {
            assert_eq!(line(Path::new(path)), None);
        }
    }
}
