//! What a container is told that is a copy: a file in it, which is there before any of its processes runs.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, open, openat2, unlinkat};
use rustix::io::Errno;
use serde::Serialize;

/// Where the container finds it.
pub(super) const ANNOUNCEMENT: &str = "/run/ckpt/clone.json";

/// What is in it.
#[derive(Debug, Serialize)]
pub(super) struct Announcement<'a> {
    pub(super) name: &'a str,
    /// From 1.
    pub(super) number: u32,
    pub(super) id: &'a str,
    /// The archive's path; none where it has no name.
    pub(super) archive: Option<&'a Path>,
    /// When the copy was made: RFC 3339, in UTC.
    pub(super) time: String,
}

/// Puts `announcement` in the container of the process `init`.
pub(super) fn write(init: u32, announcement: &[u8]) -> io::Result<()> {
    write_below(Path::new(&format!("/proc/{init}/root")), announcement)
}

fn write_below(root: &Path, announcement: &[u8]) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(root, flags, Mode::empty())?;
    // `/run` may be a link, though not out of the container; what lies in it is ours.
    let run = openat2(&root, "run", flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    match mkdirat(&run, "ckpt", Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let folder = openat2(&run, "ckpt", flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)?;
    // A copy of a copy has its original's, and may have that open.
    match unlinkat(&folder, "clone.json", AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat2(&folder, "clone.json", flags, Mode::RUSR, ResolveFlags::BENEATH)?);
    file.write_all(announcement)?;
    file.set_permissions(Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn it_replaces_an_older_one_and_stays_in_the_container() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        assert!(write_below(root.path(), b"none").is_err(), "without /run");
        fs::create_dir_all(root.path().join("var/run")).unwrap();
        symlink("/var/run", root.path().join("run")).unwrap();
        for text in ["first", "second"] {
            write_below(root.path(), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(root.path().join("var/run/ckpt/clone.json")).unwrap(), text);
        }
        fs::remove_dir_all(root.path().join("var/run/ckpt")).unwrap();
        symlink(outside.path(), root.path().join("var/run/ckpt")).unwrap();
        assert!(write_below(root.path(), b"none").is_err(), "through a link");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
