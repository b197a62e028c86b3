//! Everything that can be said of a tree's files, to compare two of them.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// One line for each file below `root`, by path; times in ns.
pub(crate) fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        found.insert(directory.strip_prefix(root).unwrap().to_owned(), describe_one(&directory));
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                directories.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), describe_one(&path));
            }
        }
    }
    found
}

fn describe_one(path: &Path) -> String {
    let stat = path.symlink_metadata().unwrap();
    let links = if stat.is_dir() { 0 } else { stat.nlink() };
    let is_device = stat.file_type().is_char_device() || stat.file_type().is_block_device();
    format!(
        "{:o} {}:{} {}.{:09} links {links} device {} {:?} {:?} {} bytes, hash {:x}",
        stat.mode(),
        stat.uid(),
        stat.gid(),
        stat.mtime(),
        stat.mtime_nsec(),
        if is_device { stat.rdev() } else { 0 },
        fs::read_link(path).ok(),
        xattrs(path),
        if stat.is_file() { stat.size() } else { 0 },
        if stat.is_file() { hash(&fs::read(path).unwrap()) } else { 0 },
    )
}

/// All but what belongs to an overlay, or to the host's policy.
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
