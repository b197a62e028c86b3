//! An archive that leaves: it is digested in one pass, and in that pass compressed for the wire if it is to be.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use aligntar::{Alignment, ClonePolicy, Span, Transferred, UnchangedSince, transfer};
use ckpt_images::document::{Descriptor, LAYER};
use ckpt_images::{Digest, Growing, Hasher, Hashing, Registry, RegistryError};

use super::error::ImageError;
use super::layout::{Layout, digest_error, digest_of_copy};
use super::parcel::layer_type;
use crate::archive::compression::Compression;
use crate::host::interrupt::{Interrupt, interrupted, is_interrupted};
use crate::progress::Progress;

/// What is read at a time, bytes.
const CHUNK: usize = 256 << 10;

/// A layer that was made.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) blob: Descriptor,
    /// Of the archive.
    pub(crate) diff_id: Digest,
    /// How its bytes came there.
    pub(crate) moved: Transferred,
}

/// What an archive is made a layer with.
pub(crate) struct Outgoing<'o> {
    /// The archive, decompressed.
    pub(crate) archive: &'o File,
    /// For messages.
    pub(crate) path: &'o Path,
    pub(crate) compression: Compression,
    pub(crate) interrupt: Option<&'o Interrupt>,
}

impl Outgoing<'_> {
    /// Into a folder: a clone where that can be, whose digest is that of what was cloned, whoever writes to the archive.
    pub(crate) fn to_layout(&self, layout: &Layout, progress: &mut dyn Progress) -> Result<Layer, ImageError> {
        let draft = layout.draft()?;
        let total = self.length()?;
        let layer = match self.compression {
            Compression::None => {
                let original = (self.archive, UnchangedSince::now_optional(self.archive));
                let moved = copy(self.archive, draft.file())?;
                let mut read = |done| progress.transferred(done, total);
                let (diff_id, size) = digest_of_copy(original, draft.file(), self.interrupt, &mut read)
                    .map_err(|source| digest_error(draft.path(), source))?;
                Layer { blob: Descriptor::named(LAYER, diff_id.clone(), size), diff_id, moved }
            }
            _ => {
                let mut read = |done| progress.transferred(done, total);
                let made = self.compress(draft.file(), &AtomicBool::new(false), &mut read);
                made.map_err(|source| digest_error(draft.path(), source))?
            }
        };
        layout.name(draft, &layer.blob.digest)?;
        Ok(layer)
    }

    /// To a registry, while it is digested and compressed. What is compressed is kept in a nameless file in `spool`
    /// meanwhile: where a connection breaks, it is sent from there.
    pub(crate) fn to_registry(
        &self,
        registry: &Registry<'_>,
        spool: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Layer, ImageError> {
        let spool_error = |source| ImageError::Io { call: "make a file in", path: spool.to_owned(), source };
        let spooled = match self.compression {
            Compression::None => None,
            _ => Some(tempfile::tempfile_in(spool).map_err(spool_error)?),
        };
        let growing = Growing::new(spooled.as_ref().unwrap_or(self.archive));
        let (made, given_up) = (OnceLock::new(), AtomicBool::new(false));
        let (taken, total) = (AtomicU64::new(0), self.length()?);
        let sent = thread::scope(|scope| {
            scope.spawn(|| {
                let mut count = |done| taken.store(done, Ordering::Relaxed);
                let layer = match self.compression {
                    Compression::None => self.digest(&growing, &given_up, &mut count),
                    _ => self.compress(&growing, &given_up, &mut count),
                };
                let is_whole = layer.is_ok();
                let _ = made.set(layer);
                growing.end(is_whole);
            });
            let known = || made.get().and_then(|made| made.as_ref().ok()).map(|layer| layer.blob.digest.clone());
            let mut tell =
                |sent| progress.transferred(sent, expected(growing.length(), taken.load(Ordering::Relaxed), total));
            let sent = registry.put_blob(&growing, known, &mut tell);
            given_up.store(true, Ordering::Relaxed);
            sent
        });
        match (made.into_inner(), sent) {
            (Some(Err(error)), _) if !is_given_up(&error) => Err(digest_error(self.path, error)),
            (_, Err(RegistryError::Interrupted)) => Err(ImageError::Interrupted),
            (_, Err(source)) => Err(ImageError::Registry { image: registry.image().to_string(), source }),
            (Some(Ok(layer)), Ok(())) => Ok(layer),
            (_, Ok(())) => unreachable!("a layer is sent to its end only once it is made"),
        }
    }

    fn length(&self) -> Result<u64, ImageError> {
        let metadata = self.archive.metadata();
        Ok(metadata.map_err(|source| digest_error(self.path, source))?.len())
    }

    /// As it is: what is digested may be sent.
    fn digest(&self, growing: &Growing<'_>, stop: &AtomicBool, count: &mut dyn FnMut(u64)) -> io::Result<Layer> {
        let mut hasher = Hasher::default();
        self.each_chunk(stop, count, &mut |chunk| {
            hasher.update(chunk);
            growing.advance(chunk.len() as u64);
            Ok(())
        })?;
        let (diff_id, size) = hasher.finish();
        let moved = Transferred { copied_bytes: size, ..Transferred::default() };
        Ok(Layer { blob: Descriptor::named(LAYER, diff_id.clone(), size), diff_id, moved })
    }

    fn compress(&self, target: impl Write, stop: &AtomicBool, count: &mut dyn FnMut(u64)) -> io::Result<Layer> {
        let mut hasher = Hasher::default();
        let mut encoder = self.compression.encoder(Hashing::new(target))?;
        self.each_chunk(stop, count, &mut |chunk| {
            hasher.update(chunk);
            encoder.write_all(chunk)
        })?;
        let (_, compressed, size) = encoder.finish()?.finish();
        let (diff_id, length) = hasher.finish();
        let ending = if self.compression == Compression::Gzip { "+gzip" } else { "+zstd" };
        let moved = Transferred { copied_bytes: length, ..Transferred::default() };
        Ok(Layer { blob: Descriptor::named(&layer_type(ending), compressed, size), diff_id, moved })
    }

    fn each_chunk(
        &self,
        stop: &AtomicBool,
        count: &mut dyn FnMut(u64),
        work: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut chunk, mut done) = (vec![0; CHUNK], 0);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(io::Error::other(GivenUp));
            }
            if self.interrupt.is_some_and(Interrupt::is_raised) {
                return Err(interrupted());
            }
            let read = self.archive.read_at(&mut chunk, done)?;
            if read == 0 {
                return Ok(());
            }
            work(&chunk[..read])?;
            done += read as u64;
            count(done);
        }
    }
}

/// Whoever sends it needs no more.
#[derive(Debug, thiserror::Error)]
#[error("given up")]
struct GivenUp;

fn is_given_up(error: &io::Error) -> bool {
    is_interrupted(error) || error.get_ref().is_some_and(|inner| inner.is::<GivenUp>())
}

/// How long the layer will be, by what has become of the part of the archive that was taken.
fn expected(made: u64, taken: u64, total: u64) -> u64 {
    let expected = u128::from(made) * u128::from(total) / u128::from(taken.max(1));
    u64::try_from(expected).unwrap_or(u64::MAX).max(made)
}

/// All of it, by clone where that can be.
pub(crate) fn copy(from: &File, to: &File) -> Result<Transferred, ImageError> {
    let io_error = |source| ImageError::Io { call: "copy", path: "the archive".into(), source };
    let length = from.metadata().map_err(io_error)?.len();
    let span = Span { source_offset: 0, target_offset: 0, length };
    let fs_block = Alignment::of(to).unwrap_or(Alignment::DEFAULT);
    let moved = transfer(from, to, span, fs_block, ClonePolicy::IfPossible)?;
    to.set_len(length).map_err(io_error)?;
    Ok(moved)
}
