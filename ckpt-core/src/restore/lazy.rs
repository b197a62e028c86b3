//! Whether the memory can come later, and why not.

use super::error::RestoreError;
use super::options::{Lazy, RestoreOptions};
use super::trust;
use crate::archive::{ArchiveError, CheckpointArchive};
use crate::criu::page_server::{Version, checkpoint_in};
use crate::engine::{EngineError, versions};
use crate::progress::Progress;

/// Memory that is worth three processes which bring it, bytes. Less is read in the time that these take to start (bench
/// fork, 16 copies on 2 cores: 1.9 s with 1 MiB each that comes first, 2.1 s with as much that comes later).
const MUCH: u64 = 32 << 20;

/// The archive as it is now if the memory in it comes later, as the options ask. Where it cannot, a warning says why.
///
/// # Errors
/// [`RestoreError::NotLazy`] where it must come later, and cannot.
pub(super) fn decide(
    options: &RestoreOptions,
    archive: &CheckpointArchive,
    progress: &mut dyn Progress,
) -> Result<Option<Version>, RestoreError> {
    if !archive.has_memory() && options.lazy != Lazy::Always {
        return Ok(None);
    }
    let failed = |source| ArchiveError::Io { call: "stat", path: archive.path().to_owned(), source };
    let version = Version::of(archive.file()).map_err(failed)?;
    if options.lazy == Lazy::IfMuch && checkpoint_in(archive).is_ok_and(|checkpoint| checkpoint.lazy_bytes() < MUCH) {
        return Ok(None);
    }
    match (options.lazy, obstacle(options, archive)?) {
        (Lazy::No, _) => Ok(None),
        (_, None) => Ok(Some(version)),
        (Lazy::IfPossible | Lazy::IfMuch, Some(reason)) => {
            progress.warning(&format!("the memory comes before the container runs: {reason}"));
            Ok(None)
        }
        (Lazy::Always, Some(reason)) => Err(RestoreError::NotLazy { reason }),
    }
}

fn obstacle(options: &RestoreOptions, archive: &CheckpointArchive) -> Result<Option<String>, RestoreError> {
    if options.lazy == Lazy::No {
        return Ok(None);
    }
    let plain = |reason: &str| Ok(Some(reason.to_owned()));
    if !archive.has_memory() {
        return plain("the archive has none");
    }
    if archive.is_compressed() {
        return plain("the archive is compressed");
    }
    if !archive.is_in_place() {
        return plain("the archive came through a pipe");
    }
    if options.import_previous.is_some() {
        return plain("a part of it is in the archive of the pre-checkpoint");
    }
    if options.keep {
        return plain("with --keep, podman could checkpoint the container before its memory is there");
    }
    if trust::check(archive.file(), archive.path(), options.caller).is_err() {
        return plain("somebody else could write to the archive meanwhile");
    }
    if !versions::has_lazy_pages(options.interrupt.as_ref()).map_err(EngineError::from)? {
        return plain("this CRIU, or this kernel, has no userfaultfd for it (`criu check --feature uffd-noncoop`)");
    }
    match checkpoint_in(archive) {
        Ok(checkpoint) if checkpoint.lazy_bytes() == 0 => plain("none of it can come later"),
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(format!("CRIU's images are not understood: {error}"))),
    }
}
