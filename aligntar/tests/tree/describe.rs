//! Everything that can be said of a tree's files, to compare two of them.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Kind and permissions, as stat(2) gives them.
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds and ns.
    pub(crate) mtime: (i64, i64),
    /// Number of names; zero for directories.
    pub(crate) links: u64,
    /// Number of a device; zero for others.
    pub(crate) device: u64,
    pub(crate) target: Option<PathBuf>,
    /// All but what belongs to an overlay, or to the host's policy.
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// Size in bytes and a hash of the content of a regular file.
    pub(crate) content: Option<(u64, u64)>,
}

impl Facts {
    fn line(&self) -> String {
        let Facts { mode, owner: (uid, gid), mtime: (secs, nanos), links, device, target, xattrs, content } = self;
        format!(
            "{mode:o} {uid}:{gid} {secs}.{nanos:09} links {links} device {device} {target:?} {xattrs:?} {content:?}"
        )
    }
}

/// One line for each file below `root`, by path.
pub(crate) fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    facts_below(root).into_iter().map(|(path, facts)| (path, facts.line())).collect()
}

/// The facts of each file below `root`, by path; `root` itself has the empty one.
pub(crate) fn facts_below(root: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        found.insert(directory.strip_prefix(root).unwrap().to_owned(), facts(&directory));
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                directories.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), facts(&path));
            }
        }
    }
    found
}

fn facts(path: &Path) -> Facts {
    let stat = path.symlink_metadata().unwrap();
    let is_device = stat.file_type().is_char_device() || stat.file_type().is_block_device();
    Facts {
        mode: stat.mode(),
        owner: (stat.uid(), stat.gid()),
        mtime: (stat.mtime(), stat.mtime_nsec()),
        links: if stat.is_dir() { 0 } else { stat.nlink() },
        device: if is_device { stat.rdev() } else { 0 },
        target: fs::read_link(path).ok(),
        xattrs: xattrs(path),
        content: stat.is_file().then(|| (stat.size(), hash(&fs::read(path).unwrap()))),
    }
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 65536];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..len].split(|&byte| byte == 0);
    let is_own =
        |name: &&[u8]| !name.is_empty() && !name.starts_with(b"trusted.overlay.") && *name != b"security.selinux";
    names.filter(is_own).map(|name| (String::from_utf8_lossy(name).into_owned(), xattr(path, name))).collect()
}

fn xattr(path: &Path, name: &[u8]) -> Vec<u8> {
    let mut value = vec![0; 65536];
    let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
    value.truncate(len);
    value
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}
