//! A target folder and what lies around it, which unpacking must leave as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Bytes of the path that stands for the folder around the target in an archive.
const PLACEHOLDER_LEN: usize = 48;

/// A folder with a file, a folder and a link in it, and beside them the empty folder to unpack into.
pub struct Outside {
    folder: TempDir,
    before: Vec<String>,
}

impl Outside {
    /// Makes one in the folder for temporary files; `cargo xtask fuzz` has that in memory.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("the folder for temporary files can be written");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "untouched").unwrap();
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("folder/inner"), "untouched too").unwrap();
        symlink("file", path("link")).unwrap();
        fs::create_dir(path("target")).unwrap();
        let before = describe(folder.path());
        Outside { folder, before }
    }

    /// The folder to unpack into.
    pub fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    /// `archive`, with the real path of the folder around the target where [`Outside::placeholder`] stands.
    pub fn with_absolute_paths(&self, archive: &[u8]) -> Vec<u8> {
        let placeholder = Self::placeholder();
        let path = format!("{:/<PLACEHOLDER_LEN$}", self.folder.path().display());
        assert_eq!(path.len(), PLACEHOLDER_LEN, "the folder for temporary files has too long a path");
        let mut archive = archive.to_vec();
        let mut at = 0;
        while let Some(found) = archive[at..].windows(PLACEHOLDER_LEN).position(|bytes| bytes == placeholder) {
            at += found;
            archive[at..at + PLACEHOLDER_LEN].copy_from_slice(path.as_bytes());
        }
        archive
    }

    /// What stands in an input for the folder around the target, since its name differs from run to run.
    pub fn placeholder() -> [u8; PLACEHOLDER_LEN] {
        let mut placeholder = [b'/'; PLACEHOLDER_LEN];
        placeholder[..10].copy_from_slice(b"/@outside@");
        placeholder
    }

    /// Panics unless everything around the target is as it was.
    pub fn assert_untouched(&self) {
        assert_eq!(self.before, describe(self.folder.path()), "outside of the target");
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Outside {
    /// Folders without rights come out of an archive like others, and could not be emptied.
    fn drop(&mut self) {
        let mut folders = vec![self.target()];
        while let Some(folder) = folders.pop() {
            fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
            let below = fs::read_dir(&folder).unwrap().map(Result::unwrap);
            folders.extend(below.filter(|entry| entry.file_type().unwrap().is_dir()).map(|entry| entry.path()));
        }
    }
}

/// Everything of the files around the target, and of the target that it is a folder still.
fn describe(folder: &Path) -> Vec<String> {
    let own = |path: &str| {
        let path = folder.join(path);
        let stat = path.symlink_metadata().unwrap();
        let content = if stat.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let times = (stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec());
        let owner = (stat.uid(), stat.gid(), stat.nlink());
        format!("{path:?} {:o} {owner:?} {times:?} {:?} {content:?}", stat.mode(), fs::read_link(&path).ok())
    };
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut lines = vec![format!("{names:?}, target is a folder: {}", folder.join("target").is_dir())];
    lines.extend(["", "file", "folder", "folder/inner", "link"].map(own));
    lines
}
