//! `pull`: an image becomes an archive again; or is read as one, to be restored or looked at.

use std::collections::BTreeMap;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aligntar::{Alignment, Transferred, UnchangedSince};
use ckpt_images::ImageRef;
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{ArchiveError, CheckpointArchive, Import};
use crate::engine::storage;
use crate::host::interrupt::Interrupt;
use crate::host::output::Output;
use crate::image::arrival::arrive;
use crate::image::found::{Found, find};
use crate::image::layout::{digest, digest_error, digest_of_copy};
use crate::image::outgoing::copy;
use crate::image::{ImageError, Raised};
use crate::progress::{Phase, Progress};

/// What came of a pull.
#[derive(Clone, Debug)]
pub struct PullReport {
    /// Length of the layer, bytes.
    pub layer_bytes: u64,
    /// How its bytes came into the archive.
    pub moved: Transferred,
    /// How long it took.
    pub elapsed: Duration,
}

/// What an image says of itself, without its layer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Description {
    /// Its name.
    pub image: String,
    /// Digest of its manifest.
    pub digest: String,
    /// Media type of its layer.
    pub layer_type: String,
    /// Digest of its layer.
    pub layer_digest: String,
    /// Length of its layer, bytes.
    pub layer_bytes: u64,
    /// What its maker says of it.
    pub annotations: BTreeMap<String, String>,
}

/// Writes the archive that `image` holds to `path`. It gets its name when it is whole, and holds a checkpoint.
///
/// # Errors
/// [`ImageError`].
pub fn pull(
    image: &ImageRef,
    path: &Path,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<PullReport, ImageError> {
    let started = Instant::now();
    progress.phase(Phase::Deliver);
    let raised = Raised(interrupt);
    let found = find(image, &raised)?;
    let output = Output::create(path)?;
    let folder = output.path().parent().unwrap_or(Path::new("/")).to_owned();
    let moved = take(&found, &output, &folder, interrupt, progress)?;
    check(&output, image, &folder)?;
    output.publish()?;
    Ok(PullReport { layer_bytes: found.layer.size, moved, elapsed: started.elapsed() })
}

/// By clone where the layer is such an archive already.
fn take(
    found: &Found<'_>,
    output: &Output,
    folder: &Path,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<Transferred, ImageError> {
    let block = Alignment::of(output.file()).unwrap_or(Alignment::DEFAULT);
    if let Some(layer) = found.file_optional()?.filter(|_| found.is_plain() && found.is_aligned(block.bytes())) {
        let original = (&layer, UnchangedSince::now_optional(&layer));
        let moved = copy(&layer, output.file())?;
        let mut read = |done| progress.transferred(done, found.layer.size);
        let digested = digest_of_copy(original, output.file(), interrupt, &mut read);
        let (digest, length) = digested.map_err(|source| digest_error(output.path(), source))?;
        found.check_layer(digest, length)?;
        return Ok(moved);
    }
    arrive(found, output.file(), folder, progress)?;
    let length = output.file().metadata().map_err(|source| digest_error(output.path(), source))?.len();
    Ok(Transferred { copied_bytes: length, ..Transferred::default() })
}

fn check(output: &Output, image: &ImageRef, folder: &Path) -> Result<(), ImageError> {
    let name = image.to_string();
    // Not a duplicate as it is: it is read from its beginning.
    let duplicate = output.file().try_clone().and_then(|mut file| file.rewind().map(|()| file));
    let file = duplicate.map_err(|source| ArchiveError::Io { call: "open", path: name.clone().into(), source })?;
    Ok(CheckpointArchive::read(file, Path::new(&name), folder, None).map(drop)?)
}

/// The archive that `image` holds, to be restored or looked at: in place where it is in a folder, and else in a file
/// without a name, in podman's storage, so that files can be cloned from there. Its digest is right.
///
/// # Errors
/// [`ImageError`].
pub fn import(
    image: &ImageRef,
    spool: &Path,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<Import, ImageError> {
    progress.phase(Phase::Decompress);
    let raised = Raised(interrupt);
    let found = find(image, &raised)?;
    let name = PathBuf::from(image.to_string());
    let opened = |file| Import::Opened { file: std::sync::Arc::new(file), name: name.clone(), has_path: false };
    if let Some(layer) = found.file_optional()? {
        let mut read = |done| progress.transferred(done, found.layer.size);
        let digested = digest(&layer, interrupt, &mut read).map_err(|source| digest_error(&name, source))?;
        found.check_layer(digested.0, digested.1)?;
        return Ok(opened(layer));
    }
    let folder = storage::configured().map_or_else(|| spool.to_owned(), |storage| storage.graph_root().to_owned());
    let spool_error = |source| ImageError::Io { call: "make a file in", path: folder.clone(), source };
    let file = tempfile::tempfile_in(&folder).map_err(spool_error)?;
    arrive(&found, &file, &folder, progress)?;
    Ok(opened(file))
}

/// What an image in a registry or a folder says of itself. Its layer stays where it is.
///
/// # Errors
/// [`ImageError`].
pub fn describe(image: &ImageRef, interrupt: Option<&Interrupt>) -> Result<Description, ImageError> {
    let raised = Raised(interrupt);
    let found = find(image, &raised)?;
    Ok(Description {
        image: found.image.clone(),
        digest: found.digest.to_string(),
        layer_type: found.layer.media_type.clone(),
        layer_digest: found.layer.digest.to_string(),
        layer_bytes: found.layer.size,
        annotations: found.annotations,
    })
}
