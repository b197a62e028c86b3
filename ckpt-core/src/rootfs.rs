//! The container's root filesystem between overlay and archive: a diff becomes members, members become an upperdir.
//!
//! | of a diff | is in the archive |
//! |---|---|
//! | files, directories, links, devices, FIFOs | a member of `rootfs-diff.tar` |
//! | deletions | a string of `deleted.files`, which podman reads too; in `ckpt.json` if the path is not UTF-8 |
//! | sockets, for which tar has no typeflag | in `ckpt.json`, see [`Socket`] |

mod beside;
mod capture;
mod place;

pub use beside::{BesideMembers, ManifestRootfs, Socket};
pub use capture::{CaptureError, capture_diff};
pub(crate) use capture::{CapturedTree, capture_file_optional, capture_some, capture_tree, diff_members};
pub use place::{PlaceError, place_diff};
pub(crate) use place::{place_tree, shift_ids};

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use layerfs::XattrNamespace;

/// Extended attributes that are files' own: not the overlay's markers, and not labels that the target's policy sets.
fn keep_stored(ns: XattrNamespace) -> impl Fn(&[u8]) -> bool {
    move |name| name != b"security.selinux" && ns.merged_xattr_name(name).is_some()
}

/// As [`keep_stored`], outside of the container's own overlay: an overlay's markers are data there, as in the storage of
/// another engine that lies in a volume.
fn keep_plain(name: &[u8]) -> bool {
    name != b"security.selinux"
}

/// A path of the archive relative to the root, however it was written.
pub(crate) fn relative(path: &[u8]) -> PathBuf {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let path = &path[start..];
    PathBuf::from(OsStr::from_bytes(if path == b"." { b"" } else { path }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn paths_are_relative_to_the_root() {
        for (path, expected) in [("/etc/passwd", "etc/passwd"), ("etc", "etc"), (".", ""), ("//a", "a"), ("/", "")] {
            assert_eq!(relative(path.as_bytes()), Path::new(expected), "{path}");
        }
    }
}
