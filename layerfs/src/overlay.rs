//! The markers that the kernel leaves in a layer: their names, and what they say.
//!
//! Source: `Documentation/filesystems/overlayfs.rst` and `fs/overlayfs/` of Linux 6.18.
//!
//! | marker | form | says |
//! |---|---|---|
//! | whiteout | character device 0:0 | lower layers do not show this name |
//! | xattr whiteout | empty regular file with `overlay.whiteout`, in a directory with `overlay.opaque=x` | the same, in a lower layer |
//! | opaque directory | `overlay.opaque=y` | lower layers add nothing to this directory |
//! | redirect | `overlay.redirect=name` or `=/path` | below this layer, look there instead |
//! | metacopy | `overlay.metacopy` on a regular file | metadata only; a layer below has the data |
//!
//! `overlay.` stands for `trusted.overlay.`, or for `user.overlay.` with the mount option `userxattr`. The markers of an
//! overlay that lies on another overlay are escaped there: set as `trusted.overlay.opaque`, they are stored as
//! `trusted.overlay.overlay.opaque`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

/// The xattr namespace an overlay keeps its markers in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XattrNamespace {
    /// `trusted.overlay.*`, the default.
    #[default]
    Trusted,
    /// `user.overlay.*`, with the mount option `userxattr`.
    User,
}

/// The escape is a second `overlay.` behind the prefix (`OVL_XATTR_ESCAPE_PREFIX`).
const ESCAPE: &[u8] = b"overlay.";

impl XattrNamespace {
    /// What the names of this overlay's own xattrs begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.",
            Self::User => "user.overlay.",
        }
    }

    /// The full name of one of the overlay's own xattrs.
    pub(crate) fn name(self, marker: Marker) -> String {
        format!("{}{}", self.prefix(), marker.suffix())
    }

    /// The name that the merged tree shows for an xattr stored in a layer. `None` for the overlay's own, which do not
    /// belong in an archive; without its escape for an escaped one; the same for all others.
    pub fn merged_xattr_name(self, stored: &[u8]) -> Option<Vec<u8>> {
        let Some(own) = stored.strip_prefix(self.prefix().as_bytes()) else {
            return Some(stored.to_vec());
        };
        let escaped = own.strip_prefix(ESCAPE)?;
        Some([self.prefix().as_bytes(), escaped].concat())
    }

    /// The name under which a layer stores an xattr of the merged tree, the inverse of
    /// [`merged_xattr_name`](Self::merged_xattr_name).
    pub fn stored_xattr_name(self, merged: &[u8]) -> Vec<u8> {
        match merged.strip_prefix(self.prefix().as_bytes()) {
            Some(rest) => [self.prefix().as_bytes(), ESCAPE, rest].concat(),
            None => merged.to_vec(),
        }
    }
}

/// The markers in xattrs that this crate reads or writes. The others (`origin`, `impure`, `uuid`, …) say nothing about
/// the content of the merged tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Opaque,
    Redirect,
    Metacopy,
    Whiteout,
    /// Only ever with the mount option `index=on`, on a file that has several names in a lower layer.
    Nlink,
}

impl Marker {
    fn suffix(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Redirect => "redirect",
            Self::Metacopy => "metacopy",
            Self::Whiteout => "whiteout",
            Self::Nlink => "nlink",
        }
    }
}

/// What `overlay.opaque` says about a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opacity {
    /// Not marked: lower layers show through.
    Transparent,
    /// `y`: lower layers add nothing.
    Opaque,
    /// `x`: not opaque, but regular files in it may be xattr whiteouts.
    XattrWhiteouts,
}

impl Opacity {
    pub(crate) fn from_xattr(value: Option<&[u8]>) -> Self {
        match value {
            Some(b"y") => Self::Opaque,
            Some(b"x") => Self::XattrWhiteouts,
            _ => Self::Transparent,
        }
    }
}

/// The value that makes a directory opaque.
pub(crate) const OPAQUE_VALUE: &[u8] = b"y";

/// Where a redirected directory or metacopy file is found in the layers below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// Another name in the same parent directory.
    Sibling(OsString),
    /// A path from the root of the layers, kept without the leading slash.
    Absolute(PathBuf),
}

impl Redirect {
    /// Reads the xattr's value. `None` for a value that the kernel refuses: an empty one, a relative path of several
    /// names, a path with `..` (`ovl_check_redirect`, `ovl_get_redirect_xattr`).
    pub(crate) fn from_xattr(value: &[u8]) -> Option<Self> {
        let redirect = match value.strip_prefix(b"/") {
            Some(path) => Self::Absolute(OsString::from_vec(path.to_vec()).into()),
            None => Self::Sibling(OsString::from_vec(value.to_vec())),
        };
        redirect.is_sane().then_some(redirect)
    }

    fn is_sane(&self) -> bool {
        match self {
            Self::Sibling(name) => is_single_name(Path::new(name)),
            Self::Absolute(path) => {
                path.iter().next().is_some() && path.iter().all(|name| is_single_name(Path::new(name)))
            }
        }
    }
}

fn is_single_name(path: &Path) -> bool {
    let mut components = path.components();
    matches!(components.next(), Some(std::path::Component::Normal(name)) if name == path.as_os_str())
        && components.next().is_none()
}

/// Whether this is a whiteout in its ordinary form, a character device 0:0.
pub fn is_whiteout(stat: &Stat) -> bool {
    file_type(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether this could be a whiteout in its xattr form; the xattrs of it and of its directory decide.
pub(crate) fn may_be_xattr_whiteout(stat: &Stat) -> bool {
    file_type(stat) == FileType::RegularFile && stat.st_size == 0
}

/// The kind of file a `stat` describes.
pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_xattrs_are_hidden_and_escaped_ones_come_out_plain() {
        use XattrNamespace::{Trusted, User};
        type Case = (XattrNamespace, &'static [u8], Option<&'static [u8]>);
        let cases: &[Case] = &[
            (Trusted, b"user.note", Some(b"user.note")),
            (Trusted, b"trusted.overlay.opaque", None),
            (Trusted, b"trusted.overlay.origin", None),
            (Trusted, b"trusted.overlay.overlay.opaque", Some(b"trusted.overlay.opaque")),
            (Trusted, b"trusted.overlay.overlay.overlay.x", Some(b"trusted.overlay.overlay.x")),
            (Trusted, b"user.overlay.opaque", Some(b"user.overlay.opaque")),
            (Trusted, b"trusted.overlayer", Some(b"trusted.overlayer")),
            (User, b"user.overlay.opaque", None),
            (User, b"trusted.overlay.opaque", Some(b"trusted.overlay.opaque")),
        ];
        for &(ns, stored, merged) in cases {
            let got = ns.merged_xattr_name(stored);
            assert_eq!(got.as_deref(), merged, "{}", String::from_utf8_lossy(stored));
            if let Some(merged) = got {
                assert_eq!(ns.stored_xattr_name(&merged), stored);
            }
        }
    }

    #[test]
    fn redirects_read_as_the_kernel_reads_them() {
        let cases: &[(&[u8], Option<Redirect>)] = &[
            (b"old", Some(Redirect::Sibling("old".into()))),
            (b"/a/b", Some(Redirect::Absolute("a/b".into()))),
            (b"a/b", None),
            (b"", None),
            (b"/", None),
            (b"..", None),
            (b"/a/../b", None),
        ];
        for (value, expected) in cases {
            assert_eq!(&Redirect::from_xattr(value), expected, "{}", String::from_utf8_lossy(value));
        }
    }
}
