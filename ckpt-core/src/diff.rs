//! `diff`: what a container changed, or what lies between two checkpoints.
//!
//! | of | compared with | costs |
//! |---|---|---|
//! | a container, or a merged directory | its image | one walk of the upperdir |
//! | an archive | its image, if that is in the storage | one pass over the headers |
//! | anything | anything else | both of these, and both lists in memory |
//!
//! Paths come in the order of a walk: parents before children, names in byte order. A deleted directory is one line.
//! Between two snapshots a file counts as changed if any attribute that an archive keeps is another: kind, size, mode,
//! owner, time (ns), extended attributes, link target, device number. Content is not read.

mod between;
mod of_image;
mod snapshot;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use layerfs::{ContainersStorageError, DiffError, LowerError, StorageConfError};
use serde::Serialize;

use crate::archive::ArchiveError;
use crate::host::byte_path::BytePath;
use crate::operand::Operand;
use crate::rootfs::CaptureError;
use snapshot::Snapshot;

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Letter {
    /// Added.
    A,
    /// Changed.
    C,
    /// Deleted.
    D,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Added, changed or deleted.
    pub change: Letter,
    /// Absolute, in the container, or where the part of it that was asked about is mounted.
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

/// Why there is no diff.
#[derive(Debug, thiserror::Error)]
pub enum DifferenceError<E> {
    /// The overlay could not be read.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// The image's layers could not be read.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// A file could not be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The configuration of the container storage cannot be read.
    #[error(transparent)]
    StorageConf(#[from] StorageConfError),
    /// The storage that should have the image cannot be read.
    #[error(transparent)]
    Storage(#[from] ContainersStorageError),
    /// Different parts of two trees have nothing in common.
    #[error("/{} and /{} are different parts of their trees: compare two of the same", old.display(), new.display())]
    Parts {
        /// What of the old tree was asked about.
        old: PathBuf,
        /// What of the new one.
        new: PathBuf,
    },
    /// The visitor returned this.
    #[error("{0}")]
    Visit(E),
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

fn is_podmans_own(path: &Path) -> bool {
    // As bytes: comparing paths part by part would cost more than the rest of a walk.
    PODMANS_OWN.iter().any(|own| own.as_bytes() == path.as_os_str().as_encoded_bytes())
}

/// Hands every difference between `subject` and its image to `visit`. A compressed archive is unpacked in `spool`.
///
/// # Errors
/// [`DifferenceError`].
pub fn of_image<E>(
    subject: &Operand,
    spool: &Path,
    visit: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<DiffReport, DifferenceError<E>> {
    match subject {
        Operand::Layers { layers, .. } => of_image::container(layers, visit).map(|()| DiffReport::default()),
        Operand::Archive(path) => of_image::archive(path, spool, visit),
    }
}

/// Hands every difference that leads from `old` to `new` to `visit`; both are of the same image.
///
/// # Errors
/// [`DifferenceError`].
pub fn between<E>(
    old: &Operand,
    new: &Operand,
    spool: &Path,
    visit: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<DiffReport, DifferenceError<E>> {
    let part = old.part();
    if part != new.part() {
        return Err(DifferenceError::Parts { old: part.to_owned(), new: new.part().to_owned() });
    }
    let (old, new) = (Snapshot::take(old, spool)?, Snapshot::take(new, spool)?);
    between::compare(&old, &new, part, visit)
}

/// As it is seen where only `part` of the tree is: everything shown is in it.
fn seen(path: &Path, part: &Path) -> BytePath {
    let below = path.strip_prefix(part).unwrap_or(path);
    let mut absolute = OsString::with_capacity(below.as_os_str().len() + 1);
    absolute.push("/");
    absolute.push(below);
    BytePath(absolute.into())
}
