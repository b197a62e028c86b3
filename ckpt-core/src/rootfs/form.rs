//! The forms that an archive of a container's changes can have.

use serde::{Deserialize, Serialize};

/// How an archive says what a container changed.
///
/// | form | files | deletions | read by |
/// |---|---|---|---|
/// | `Podman` | in the nested archive `rootfs-diff.tar` | the list `deleted.files` | podman, in a checkpoint; `ckpt` |
/// | `Oci` | members | empty files `.wh.NAME` | whatever takes layers of OCI images |
/// | `Overlay` | members | character devices 0:0, and `trusted.overlay.opaque` of directories | tar, into an upper directory |
///
/// Source of the second: "Representing Changes" in the image specification's `layer.md`; of the third:
/// `Documentation/filesystems/overlayfs.rst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// podman's.
    Podman,
    /// A layer of an OCI image.
    Oci,
    /// As an upper directory of overlayfs holds it.
    Overlay,
}
