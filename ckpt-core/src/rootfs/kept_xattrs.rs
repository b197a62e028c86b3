//! Which extended attributes go into an archive, and come out of it.

use layerfs::XattrNamespace;

/// Extended attributes that are files' own: not the overlay's markers, and not labels that the target's policy sets.
pub(super) fn keep_stored(ns: XattrNamespace) -> impl Fn(&[u8]) -> bool {
    move |name| name != b"security.selinux" && ns.merged_xattr_name(name).is_some()
}

/// As [`keep_stored`], outside of the container's own overlay. There the marks of an overlay are data: a volume may
/// hold the storage of another engine.
pub(super) fn keep_plain(name: &[u8]) -> bool {
    name != b"security.selinux"
}
