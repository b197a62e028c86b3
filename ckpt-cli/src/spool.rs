//! Large files of the moment.

use std::env;
use std::path::PathBuf;

/// Where a compressed archive is unpacked: on a disk, for /tmp may be memory.
pub(crate) fn folder() -> PathBuf {
    env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}
