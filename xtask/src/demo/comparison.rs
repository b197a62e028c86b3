//! Whether two trees are the same, by everything a file has.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsString};
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{lgetxattr, llistxattr};

/// What podman puts into each container itself, as mount points for its own files.
const OF_PODMAN: [&str; 4] = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv"];

const BUFFER: usize = 1 << 20;

/// Longest attribute, see xattr(7): 64 KiB for a value, and for a list of names.
const XATTR_MAX: usize = 1 << 16;

/// In what two files of one name differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    Missing,
    Added,
    Mode,
    Owner,
    Device,
    Links,
    Size,
    Target,
    Content,
    Xattrs,
    Mtime,
    /// The same second: what tar can keep without pax records.
    MtimeBelowSecond,
}

impl Aspect {
    fn words(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Mode => "of another type or mode",
            Self::Owner => "of another owner",
            Self::Device => "of another device number",
            Self::Links => "with other hard links",
            Self::Size => "of another size",
            Self::Target => "with another link target",
            Self::Content => "of other content",
            Self::Xattrs => "with other xattrs",
            Self::Mtime => "of another time",
            Self::MtimeBelowSecond => "of another time, by less than 1 s",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) entries: usize,
    pub(super) content_bytes: u64,
    differences: BTreeMap<Aspect, Vec<PathBuf>>,
}

impl Comparison {
    /// Compares all below two folders, and the folders themselves; file contents byte by byte.
    pub(super) fn of(original: &Path, copy: &Path) -> Result<Self> {
        let mut comparison = Self::default();
        comparison.compare(&Pair { original, copy }, Path::new(""))?;
        Ok(comparison)
    }

    pub(super) fn is_identical(&self) -> bool {
        self.differences.is_empty()
    }

    fn compare(&mut self, trees: &Pair<'_>, below: &Path) -> Result<()> {
        if OF_PODMAN.iter().any(|own| below == Path::new(own)) {
            return Ok(());
        }
        self.entries += 1;
        let original = trees.original.join(below);
        let copy = trees.copy.join(below);
        let (one, other) = (metadata(&original)?, metadata(&copy)?);
        let mut differs = differing_attributes(&one, &other);
        if xattrs(&original)? != xattrs(&copy)? {
            differs.push(Aspect::Xattrs);
        }
        if one.file_type() == other.file_type() {
            if one.is_symlink() && fs::read_link(&original)? != fs::read_link(&copy)? {
                differs.push(Aspect::Target);
            }
            if one.is_file() && one.len() == other.len() {
                self.content_bytes += one.len();
                if !same_content(&original, &copy)? {
                    differs.push(Aspect::Content);
                }
            }
            if one.is_dir() {
                self.compare_folders(trees, below)?;
            }
        }
        for aspect in differs {
            self.note(aspect, below.to_owned());
        }
        Ok(())
    }

    fn compare_folders(&mut self, trees: &Pair<'_>, below: &Path) -> Result<()> {
        let (original, copy) = (names(&trees.original.join(below))?, names(&trees.copy.join(below))?);
        for name in original.union(&copy) {
            let path = below.join(name);
            match (original.contains(name), copy.contains(name)) {
                (true, true) => self.compare(trees, &path)?,
                (true, false) => self.note(Aspect::Missing, path),
                (false, _) => self.note(Aspect::Added, path),
            }
        }
        Ok(())
    }

    fn note(&mut self, aspect: Aspect, path: PathBuf) {
        self.differences.entry(aspect).or_default().push(path);
    }
}

/// `identical`, or how many differ in what, a line and an example for each.
impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_identical() {
            return formatter.write_str("identical");
        }
        let parts = self.differences.iter().map(|(aspect, paths)| {
            let example = paths.first().map(|path| format!("/{}", path.display())).unwrap_or_default();
            let more = if paths.len() > 1 { ", …" } else { "" };
            format!("{} {} ({example}{more})", paths.len(), aspect.words())
        });
        formatter.write_str(&parts.collect::<Vec<_>>().join("\n"))
    }
}

struct Pair<'p> {
    original: &'p Path,
    copy: &'p Path,
}

fn differing_attributes(one: &Metadata, other: &Metadata) -> Vec<Aspect> {
    let file = one.file_type();
    let is_device = file.is_block_device() || file.is_char_device();
    // A folder's size and link count belong to its file system.
    let is_folder = one.is_dir();
    let same_second = one.mtime() == other.mtime();
    let checks = [
        (Aspect::Mode, one.mode() != other.mode()),
        (Aspect::Owner, (one.uid(), one.gid()) != (other.uid(), other.gid())),
        (Aspect::Device, is_device && one.rdev() != other.rdev()),
        (Aspect::Links, !is_folder && one.nlink() != other.nlink()),
        (Aspect::Size, !is_folder && one.len() != other.len()),
        (Aspect::Mtime, !same_second),
        (Aspect::MtimeBelowSecond, same_second && one.mtime_nsec() != other.mtime_nsec()),
    ];
    checks.into_iter().filter_map(|(aspect, differs)| differs.then_some(aspect)).collect()
}

fn metadata(path: &Path) -> Result<Metadata> {
    fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries.map(|entry| Ok(entry.with_context(|| format!("cannot list {}", folder.display()))?.file_name())).collect()
}

fn xattrs(path: &Path) -> Result<BTreeMap<CString, Vec<u8>>> {
    let context = || format!("cannot read the attributes of {}", path.display());
    let mut list = vec![0; XATTR_MAX];
    let length = llistxattr(path, &mut list[..]).with_context(context)?;
    let mut found = BTreeMap::new();
    for name in list[..length].split_inclusive(|&byte| byte == 0) {
        let name = CString::from_vec_with_nul(name.to_vec()).with_context(context)?;
        let mut value = vec![0; XATTR_MAX];
        let length = lgetxattr(path, &name, &mut value[..]).with_context(context)?;
        value.truncate(length);
        found.insert(name, value);
    }
    Ok(found)
}

/// Of two files of the same size.
fn same_content(original: &Path, copy: &Path) -> Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("cannot open {}", path.display()));
    let (mut one, mut other) = (open(original)?, open(copy)?);
    let (mut here, mut there) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let length = one.read(&mut here).with_context(|| format!("cannot read {}", original.display()))?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut there[..length]).with_context(|| format!("cannot read {}", copy.display()))?;
        if here[..length] != there[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A folder with one file and one link, all of one time.
    fn tree(content: &str, target: &str, time: SystemTime) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        fs::write(&file, content).expect("a file");
        symlink(target, folder.path().join("link")).expect("a link");
        for path in [file.as_path(), folder.path()] {
            File::open(path).and_then(|file| file.set_modified(time)).expect("a time");
        }
        let link_time = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 1 };
        let times = rustix::fs::Timestamps { last_access: link_time, last_modification: link_time };
        let link = folder.path().join("link");
        rustix::fs::utimensat(rustix::fs::CWD, link, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).expect("a time");
        folder
    }

    fn found(comparison: &Comparison) -> Vec<(Aspect, usize)> {
        comparison.differences.iter().map(|(&aspect, paths)| (aspect, paths.len())).collect()
    }

    #[test]
    fn equal_trees_are_identical() {
        let now = SystemTime::now();
        let (one, other) = (tree("content", "file", now), tree("content", "file", now));
        let comparison = Comparison::of(one.path(), other.path()).expect("both are readable");
        assert_eq!(comparison.to_string(), "identical");
        assert_eq!((comparison.entries, comparison.content_bytes), (3, 7));
    }

    #[test]
    fn every_difference_is_named() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let one = tree("content", "file", time);
        let other = tree("CONTENT", "other", time + Duration::from_millis(1));
        fs::set_permissions(other.path().join("file"), fs::Permissions::from_mode(0o600)).expect("a mode");
        fs::write(one.path().join("lost"), "").expect("a file");
        fs::write(other.path().join("new"), "").expect("a file");
        let comparison = Comparison::of(one.path(), other.path()).expect("both are readable");
        let expected =
            [(Aspect::Missing, 1), (Aspect::Added, 1), (Aspect::Mode, 1), (Aspect::Target, 1), (Aspect::Content, 1)];
        assert!(found(&comparison).starts_with(&expected[..2]), "{comparison}");
        assert!(expected.iter().all(|aspect| found(&comparison).contains(aspect)), "{comparison}");
        assert!(comparison.to_string().contains("1 of other content (/file)"), "{comparison}");
    }
}
