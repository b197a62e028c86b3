//! Xattrs of a layer's files, and the overlay's markers among them, read without opening the file.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::io::Errno;

use crate::access::AccessError;
use crate::overlay::{Marker, Opacity, Redirect, XattrNamespace};

/// An extended attribute: the whole name, `user.` or `trusted.` included, and any bytes as its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattr {
    /// As listxattr(2) gives it, without the final NUL.
    pub name: Vec<u8>,
    /// As getxattr(2) gives it.
    pub value: Vec<u8>,
}

/// Longest list and longest value Linux gives (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`, `linux/limits.h`), bytes.
const XATTR_MAX: usize = 65536;

/// A file whose markers are read without opening it: a directory's descriptor and a name in it, or a descriptor alone.
///
/// The path through `/proc/self/fd` reaches `O_PATH` descriptors, symlinks and devices alike, with one system call
/// (`getxattrat` would too, from Linux 6.13 on).
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerFile<'a> {
    pub(crate) dir: BorrowedFd<'a>,
    pub(crate) name: Option<&'a OsStr>,
    /// For messages.
    pub(crate) path: &'a Path,
}

impl LayerFile<'_> {
    pub(crate) fn opacity(self, ns: XattrNamespace) -> Result<Opacity, AccessError> {
        Ok(Opacity::from_xattr(self.marker(ns, Marker::Opaque)?.as_deref()))
    }

    pub(crate) fn redirect(self, ns: XattrNamespace) -> Result<Option<Redirect>, AccessError> {
        let Some(value) = self.marker(ns, Marker::Redirect)? else { return Ok(None) };
        match Redirect::from_xattr(&value) {
            Some(redirect) => Ok(Some(redirect)),
            None => Err(AccessError::BadRedirect { path: self.path.into(), value: OsString::from_vec(value) }),
        }
    }

    pub(crate) fn has_marker(self, ns: XattrNamespace, marker: Marker) -> Result<bool, AccessError> {
        Ok(self.marker(ns, marker)?.is_some())
    }

    fn marker(self, ns: XattrNamespace, marker: Marker) -> Result<Option<Vec<u8>>, AccessError> {
        let name = ns.name(marker);
        self.xattr(name.as_bytes())
    }

    /// The value of one xattr, `None` if there is none of that name.
    fn xattr(self, name: &[u8]) -> Result<Option<Vec<u8>>, AccessError> {
        match self.sized(|buffer| self.getxattr(name, buffer)) {
            Ok(value) => Ok(Some(value)),
            // A filesystem without xattrs has no markers.
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(source) => {
                let name = String::from_utf8_lossy(name).into_owned();
                Err(AccessError::Xattr { path: self.path.into(), name, source })
            }
        }
    }

    /// All xattrs, names as stored.
    pub(crate) fn xattrs(self) -> Result<Vec<Xattr>, AccessError> {
        let names = match self.sized(|buffer| self.listxattr(buffer)) {
            Ok(names) => names,
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(source) => return Err(AccessError::ListXattrs { path: self.path.into(), source }),
        };
        let mut xattrs = Vec::new();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            // One that was removed since the list was made is none.
            xattrs.extend(self.xattr(name)?.map(|value| Xattr { name: name.to_vec(), value }));
        }
        Ok(xattrs)
    }

    /// Asks with a small buffer first: almost every file has no marker, and only a few short xattrs.
    fn sized(self, ask: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
        let mut small = [0_u8; 256];
        match ask(&mut small) {
            Err(Errno::RANGE) => {
                let mut large = vec![0; XATTR_MAX];
                let len = ask(&mut large)?;
                large.truncate(len);
                Ok(large)
            }
            asked => asked.map(|len| small[..len].to_vec()),
        }
    }

    // With a name the file itself is asked. Without, the descriptor's own magic link must be followed; it ends at the
    // file even if that is a symlink.

    fn getxattr(self, xattr: &[u8], buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self.name {
            Some(_) => rustix::fs::lgetxattr(self.proc_path(), xattr, buffer),
            None => rustix::fs::getxattr(self.proc_path(), xattr, buffer),
        }
    }

    fn listxattr(self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self.name {
            Some(_) => rustix::fs::llistxattr(self.proc_path(), buffer),
            None => rustix::fs::listxattr(self.proc_path(), buffer),
        }
    }

    fn proc_path(self) -> Vec<u8> {
        let mut path = format!("/proc/self/fd/{}", self.dir.as_raw_fd()).into_bytes();
        if let Some(name) = self.name {
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
        }
        path
    }
}
