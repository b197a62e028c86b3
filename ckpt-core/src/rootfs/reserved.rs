//! Names that mean something in one form or another, and may be those of files.

use crate::archive::{
    ARTIFACTS, CHECKPOINT, CONFIG_DUMP, DELETED_FILES, DEVSHM, LOG, MANIFEST, NETWORK_STATUS, ROOTFS_DIFF, SPEC_DUMP,
    STATS_DUMP, VOLUMES,
};

/// What a name begins with that says what is deleted (OCI image specification, `layer.md`, "Whiteouts").
pub(super) const WHITEOUT: &[u8] = b".wh.";

/// Behind [`WHITEOUT`]: a mark of the directory itself.
pub(super) const OPAQUE: &[u8] = b".wh..opq";

/// Behind [`WHITEOUT`] as well: marks of AUFS.
pub(super) const AUFS: &[u8] = b".wh.";

/// Members at the top of a checkpoint, and of changes in podman's form.
const PODMANS: [&str; 12] = [
    CONFIG_DUMP,
    SPEC_DUMP,
    CHECKPOINT,
    ROOTFS_DIFF,
    DELETED_FILES,
    DEVSHM,
    LOG,
    NETWORK_STATUS,
    STATS_DUMP,
    ARTIFACTS,
    VOLUMES,
    MANIFEST,
];

/// Whether a member of that path may be one of podman's.
pub(super) fn is_podmans(path: &[u8]) -> bool {
    let top = path.split(|&byte| byte == b'/').next().unwrap_or_default();
    PODMANS.iter().any(|name| name.trim_end_matches('/').as_bytes() == top)
}
