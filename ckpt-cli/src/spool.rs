//! Where large temporary files go.

use std::env;
use std::path::PathBuf;

/// A folder on a disk: a compressed archive is unpacked there, and /tmp may be memory.
pub(crate) fn folder() -> PathBuf {
    env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}
