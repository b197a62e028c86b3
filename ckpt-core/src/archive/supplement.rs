//! The changes of a root filesystem that a tar archive has no member for: deletions and sockets.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::byte_path::BytePath;

/// The changes that are no members of a diff's archive. Paths are relative to the container's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supplement {
    /// Paths that the image shows and the container does not.
    pub deleted: Vec<PathBuf>,
    /// Directories in which nothing of the image shows. Walks give single deletions instead.
    pub opaque: Vec<PathBuf>,
    /// Sockets, with the file attributes that a member would have.
    pub sockets: Vec<Socket>,
    /// How many files are immutable, append-only or nodump (chattr(1)), which is told when they are taken, and not
    /// kept.
    pub with_flags: usize,
}

/// A socket in the file system, which tar has no typeflag for.
///
/// podman leaves sockets out. Where one had replaced a file of the image, its restore brings that file back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Socket {
    /// Relative to the container's root.
    pub path: BytePath,
    /// The socket before this one that it is another name of; all else is said there.
    pub link: Option<BytePath>,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Extended attributes, their values in hexadecimal digits.
    pub xattrs: BTreeMap<String, String>,
}

/// What `ckpt.json` holds of a diff, since no member that podman knows can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestRootfs {
    /// Absolute paths that belong into `deleted.files`, but are not UTF-8.
    pub deleted: Vec<BytePath>,
    /// Sockets.
    pub sockets: Vec<Socket>,
}

impl Supplement {
    /// The content of `deleted.files`, and what is for the manifest.
    pub(crate) fn split(self) -> (Vec<String>, ManifestRootfs) {
        let (mut text, mut bytes) = (Vec::new(), Vec::new());
        for path in self.deleted {
            match Path::new("/").join(path).into_os_string().into_string() {
                Ok(path) => text.push(path),
                Err(path) => bytes.push(BytePath(path.into())),
            }
        }
        (text, ManifestRootfs { deleted: bytes, sockets: self.sockets })
    }

    /// The inverse of [`split`](Self::split), for paths however they were written.
    pub(crate) fn join(deleted: Vec<String>, manifest: ManifestRootfs) -> Self {
        let bytes = manifest.deleted.into_iter().map(|path| path.0);
        let deleted = deleted.into_iter().map(PathBuf::from).chain(bytes);
        let mut deleted: Vec<_> = deleted.map(|path| relative(path.as_os_str().as_bytes())).collect();
        // A walk gives them in this order, and it keeps neighbours together.
        deleted.sort();
        Self { deleted, sockets: manifest.sockets, ..Self::default() }
    }
}

/// A path of the archive relative to the root, however it was written.
pub(crate) fn relative(path: &[u8]) -> PathBuf {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let path = &path[start..];
    PathBuf::from(OsStr::from_bytes(if path == b"." { b"" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_of_any_bytes_come_back() {
        let odd = PathBuf::from(OsStr::from_bytes(b"d/\xff"));
        let supplement = Supplement { deleted: vec!["a".into(), odd.clone(), "é".into()], ..Default::default() };
        let (text, manifest) = supplement.clone().split();
        assert_eq!(text, ["/a", "/é"]);
        assert_eq!(manifest.deleted, [BytePath(Path::new("/").join(&odd))]);
        assert_eq!(Supplement::join(text, manifest).deleted, ["a".into(), odd, PathBuf::from("é")]);
    }

    #[test]
    fn paths_are_relative_to_the_root() {
        for (path, expected) in [("/etc/passwd", "etc/passwd"), ("etc", "etc"), (".", ""), ("//a", "a"), ("/", "")] {
            assert_eq!(relative(path.as_bytes()), Path::new(expected), "{path}");
        }
    }
}
