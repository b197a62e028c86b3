//! Times of the directories of a tree, and of its sockets, set again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aligntar::{Kind, Member, Timestamp};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, open, openat2, statat, utimensat,
};
use rustix::io::Errno;

use super::error::RepairError;
use crate::rootfs::Socket;

/// By path. As many directories as the unpacker before has put up with (`UnpackOptions::pending_bytes`).
#[derive(Debug)]
pub(in crate::restore) struct Times {
    root: PathBuf,
    mtimes: BTreeMap<PathBuf, Timestamp>,
}

impl Times {
    pub(in crate::restore) fn below(root: PathBuf) -> Self {
        Times { root, mtimes: BTreeMap::new() }
    }

    /// Notes a member that is made.
    pub(in crate::restore) fn note(&mut self, member: &Member) {
        let path = PathBuf::from(OsStr::from_bytes(&member.path));
        match member.kind {
            Kind::Directory => self.mtimes.insert(path, member.mtime),
            _ => self.mtimes.remove(&path),
        };
    }

    pub(super) fn note_socket(&mut self, socket: &Socket) {
        let (secs, nanos) = socket.mtime;
        self.mtimes.insert(socket.path.0.clone(), Timestamp { secs, nanos });
    }

    pub(super) fn put_right(&self) -> Result<(), RepairError> {
        let failed = |call, path: &Path| {
            let path = self.root.join(path);
            move |source| RepairError::Call { call, path, source }
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(&self.root, flags, Mode::empty()).map_err(failed("open", Path::new("")))?;
        for (path, mtime) in &self.mtimes {
            match put_right(&root, path, *mtime) {
                // It was replaced by a later member.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                set => set.map_err(failed("set the time of", path))?,
            }
        }
        Ok(())
    }
}

fn put_right(root: &OwnedFd, path: &Path, mtime: Timestamp) -> Result<(), Errno> {
    let (parent, name) = in_parent(root, path)?;
    let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if (stat.st_mtime, stat.st_mtime_nsec as u32) == (mtime.secs, mtime.nanos) {
        return Ok(());
    }
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let last_modification = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    utimensat(&parent, name, &Timestamps { last_access, last_modification }, AtFlags::SYMLINK_NOFOLLOW)
}

/// The directory of `path` below `root`, reached without a link, and the name in it.
pub(super) fn in_parent<'p>(root: &OwnedFd, path: &'p Path) -> Result<(OwnedFd, &'p OsStr), Errno> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let parent = openat2(root, above, flags, Mode::empty(), resolve)?;
    // The root has no name.
    Ok((parent, path.file_name().unwrap_or(OsStr::new("."))))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn directories_get_their_times_again_and_links_lead_nowhere() {
        let (tree, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.path().join("a/b")).unwrap();
        symlink(outside.path(), tree.path().join("link")).unwrap();
        let before = fs::metadata(outside.path()).unwrap().mtime();
        let mut times = Times::below(tree.path().to_owned());
        for path in [".", "a", "a/b", "gone", "./a/c", "a/file"] {
            let mtime = Timestamp { secs: -1, nanos: 7 };
            times.note(&Member { mtime, ..Member::new(path, Kind::Directory, 0o755) });
        }
        times.note(&Member::new("a/file", Kind::Regular { size: 0 }, 0o644));
        File::create(tree.path().join("a/file")).unwrap();
        times.put_right().unwrap();
        for path in ["", "a", "a/b"] {
            let metadata = fs::metadata(tree.path().join(path)).unwrap();
            assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (-1, 7), "{path:?}");
        }
        assert!(fs::metadata(tree.path().join("a/file")).unwrap().mtime() > 0);
        times.note(&Member::new("link/x", Kind::Directory, 0o755));
        assert!(matches!(times.put_right(), Err(RepairError::Call { source: Errno::LOOP, .. })));
        assert_eq!(fs::metadata(outside.path()).unwrap().mtime(), before);
    }
}
