//! One difference, and what counts as one.

use std::ffi::OsString;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::host::byte_path::BytePath;

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Letter {
    /// Added.
    A,
    /// Changed.
    C,
    /// Deleted.
    D,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// Added, changed or deleted.
    pub change: Letter,
    /// Absolute: in the container, or in the subtree of it that was asked about.
    pub path: BytePath,
    /// Bytes of a regular file before; none for other kinds, for what was not there, and where it is not known.
    pub old_size: Option<u64>,
    /// Bytes of a regular file now.
    pub size: Option<u64>,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffReport {
    /// The image of an archive is not in this host's storage, so what was added is reported as changed.
    pub image_missing: bool,
}

/// What podman puts into every container, as its own `diff` leaves it out (`initInodes` in `libpod/diff.go`).
const PODMANS_OWN: [&str; 11] = [
    "dev",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "proc",
    "run",
    "run/.containerenv",
    "run/notify",
    "run/secrets",
    "sys",
];

pub(super) fn is_podmans_own(path: &Path) -> bool {
    // As bytes: comparing paths part by part would cost more than the rest of a walk.
    PODMANS_OWN.iter().any(|own| own.as_bytes() == path.as_os_str().as_encoded_bytes())
}

/// The absolute path that `path` has where only the `subtree` is mounted; everything shown is below that.
pub(super) fn seen(path: &Path, subtree: &Path) -> BytePath {
    let below = path.strip_prefix(subtree).unwrap_or(path);
    let mut absolute = OsString::with_capacity(below.as_os_str().len() + 1);
    absolute.push("/");
    absolute.push(below);
    BytePath(absolute.into())
}
