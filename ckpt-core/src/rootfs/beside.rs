//! What of a diff a tar archive cannot say: deletions and sockets.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use layerfs::{AccessError, ApplyError, NodeAttributes, Present, Upperdir, Xattr};
use serde::{Deserialize, Serialize};

use crate::byte_path::{BytePath, from_hex, to_hex};

/// What of a diff is not a member of its archive. Paths are relative to the container's root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BesideMembers {
    /// Paths that the image shows and the container does not.
    pub deleted: Vec<PathBuf>,
    /// Sockets, with the file attributes that a member would have.
    pub sockets: Vec<Socket>,
}

/// A socket in the file system, which tar has no typeflag for.
///
/// podman leaves them out, and so brings back a file of the image that a socket took the place of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl Socket {
    fn read(present: &Present<'_>) -> Result<Self, AccessError> {
        let stat = &present.stat;
        let xattrs = present.xattrs()?.into_iter().filter(|xattr| xattr.name != b"security.selinux");
        // The kernel's names of attributes are ASCII for all but `user.`, which sockets cannot have (xattr(7)).
        let xattrs =
            xattrs.map(|Xattr { name, value }| (String::from_utf8_lossy(&name).into_owned(), to_hex(&value))).collect();
        Ok(Self {
            path: BytePath(present.path.into()),
            link: None,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            xattrs,
        })
    }

    pub(super) fn make(&self, upperdir: &mut Upperdir) -> Result<(), ApplyError> {
        if let Some(original) = &self.link {
            return upperdir.make_link(original.as_ref(), self.path.as_ref());
        }
        let values = self
            .xattrs
            .iter()
            .filter_map(|(name, value)| Some(Xattr { name: name.clone().into_bytes(), value: from_hex(value)? }));
        let attributes = NodeAttributes {
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            xattrs: values.collect(),
        };
        upperdir.make_socket(self.path.as_ref(), &attributes)
    }
}

/// Sockets on their way from a walk, hard links told from first names.
#[derive(Default)]
pub(super) struct Sockets {
    sockets: Vec<Socket>,
    first_names: HashMap<(u64, u64), BytePath>,
}

impl Sockets {
    pub(super) fn add(&mut self, present: &Present<'_>) -> Result<(), AccessError> {
        let inode = (present.stat.st_dev, present.stat.st_ino);
        let path = BytePath(present.path.into());
        let socket = match self.first_names.get(&inode) {
            Some(first) => Socket { path, link: Some(first.clone()), ..Socket::default() },
            None => Socket::read(present)?,
        };
        if present.stat.st_nlink > 1 && socket.link.is_none() {
            self.first_names.insert(inode, socket.path.clone());
        }
        self.sockets.push(socket);
        Ok(())
    }

    pub(super) fn into_inner(self) -> Vec<Socket> {
        self.sockets
    }
}

/// What `ckpt.json` holds of a diff, since no member that podman knows can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManifestRootfs {
    /// Absolute paths that belong into `deleted.files`, but are not UTF-8.
    pub deleted: Vec<BytePath>,
    /// Sockets.
    pub sockets: Vec<Socket>,
}

impl BesideMembers {
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
        let mut deleted: Vec<_> = deleted.into_iter().map(PathBuf::from).chain(bytes).map(relative).collect();
        // A walk gives them in this order, and it keeps neighbours together.
        deleted.sort();
        Self { deleted, sockets: manifest.sockets }
    }
}

fn relative(path: PathBuf) -> PathBuf {
    super::relative(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn deletions_of_any_bytes_come_back() {
        let odd = PathBuf::from(OsStr::from_bytes(b"d/\xff"));
        let beside = BesideMembers { deleted: vec!["a".into(), odd.clone(), "é".into()], ..Default::default() };
        let (text, manifest) = beside.clone().split();
        assert_eq!(text, ["/a", "/é"]);
        assert_eq!(manifest.deleted, [BytePath(Path::new("/").join(&odd))]);
        assert_eq!(BesideMembers::join(text, manifest).deleted, ["a".into(), odd, PathBuf::from("é")]);
    }
}
