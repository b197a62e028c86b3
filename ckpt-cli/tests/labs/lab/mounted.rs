//! File systems for one test.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{run, succeed, text};

/// A file system of its own, unmounted with this value.
pub(crate) struct Mounted(TempDir);

impl Mounted {
    pub(crate) fn tmpfs(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        succeed("mount", &["-t", "tmpfs", "-o", options, "tmpfs", text(folder.path())]);
        Mounted(folder)
    }

    /// ext4 on a loop device over the sparse file `image`.
    pub(crate) fn ext4(image: &Path, bytes: u64) -> Self {
        Mounted::made_by("mkfs.ext4 -q -F -m 0 -O ^has_journal", image, bytes)
    }

    /// The same with what the words `mkfs` make.
    pub(crate) fn made_by(mkfs: &str, image: &Path, bytes: u64) -> Self {
        File::create(image).unwrap().set_len(bytes).unwrap();
        let (program, options) = mkfs.split_once(' ').unwrap();
        succeed(program, &options.split(' ').chain([text(image)]).collect::<Vec<_>>());
        let folder = tempfile::tempdir().unwrap();
        succeed("mount", &["-o", "loop", text(image), text(folder.path())]);
        Mounted(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Leaves `bytes` free.
    pub(crate) fn fill_up_to(&self, bytes: u64) -> PathBuf {
        let filler = self.path().join("filler");
        let length = self.free().saturating_sub(bytes);
        // ext4 needs some blocks for the map of them.
        run("fallocate", &["--length", &length.max(1).to_string(), text(&filler)]);
        assert!(self.free() <= bytes + (256 << 10), "{} bytes are free", self.free());
        filler
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["--lazy", text(self.path())]);
    }
}
