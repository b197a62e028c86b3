//! A layer that arrives becomes an archive whose data lies on blocks, while it arrives.
//!
//! ```text
//! this thread     network or file ── digest ──▶ channel
//! another one     channel ── decompress ──▶ the archive as it is, or laid out anew
//! ```
//!
//! The archive is in a file without a name. Its digest is known only at its end, and until then nobody else sees it.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use aligntar::{
    Alignment, Compression, Decompressed, EndMarker, Limits, ReadError, Reader, StreamSource, WriteOptions, Writer,
};
use ckpt_images::Hasher;

use super::error::ImageError;
use super::found::Found;
use crate::archive::spool::{self, Bounded, Counted, Room};
use crate::archive::{ArchiveError, DEVSHM, ROOTFS_DIFF, VOLUMES};
use crate::progress::Progress;

/// What goes through the channel at a time, bytes.
const CHUNK: usize = 256 << 10;
/// How many of them wait there.
const WAITING: usize = 16;

/// Writes the layer of `found` to `target`, which lies in `folder` and has nothing yet.
pub(crate) fn arrive(
    found: &Found<'_>,
    target: &File,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<(), ImageError> {
    let block = Alignment::of(target).unwrap_or(Alignment::DEFAULT);
    let arriving = Arriving { image: &found.image, target, folder, is_aligned: found.is_aligned(block.bytes()) };
    let (sender, receiver) = sync_channel(WAITING);
    let (fetched, written) = thread::scope(|scope| {
        let writer = scope.spawn(|| arriving.write(Incoming { receiver, chunk: Vec::new(), offset: 0 }));
        let fetched = fetch(found, sender, progress);
        (fetched, writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    match (fetched, written) {
        // What did not arrive explains what could not be read.
        (Fetched::Failed(error), _) => Err(error),
        // A wrong layer is wrong whatever is in it.
        (Fetched::Whole(hasher), written) => {
            let (digest, length) = hasher.finish();
            found.check_layer(digest, length)?;
            written
        }
        (Fetched::Unwanted, written) => written,
    }
}

enum Fetched {
    Whole(Hasher),
    /// The writer wants no more of it.
    Unwanted,
    Failed(ImageError),
}

/// A part of the layer; none if no more will come.
type Part = Option<Vec<u8>>;

fn fetch(found: &Found<'_>, sender: SyncSender<Part>, progress: &mut dyn Progress) -> Fetched {
    let mut stream = match found.stream() {
        Ok(stream) => stream,
        Err(error) => return failed(&sender, error),
    };
    let (mut hasher, mut done) = (Hasher::default(), 0);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        if let Err(error) = stream.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
            return failed(&sender, found.read_error(error));
        }
        if chunk.is_empty() {
            return Fetched::Whole(hasher);
        }
        hasher.update(&chunk);
        done += chunk.len() as u64;
        if done > found.layer.size {
            return Fetched::Whole(hasher);
        }
        progress.transferred(done, found.layer.size);
        if sender.send(Some(chunk)).is_err() {
            return Fetched::Unwanted;
        }
    }
}

fn failed(sender: &SyncSender<Part>, error: ImageError) -> Fetched {
    // The writer may have ended for a reason of its own.
    let _ = sender.send(None);
    Fetched::Failed(error)
}

/// The other end of the channel.
struct Incoming {
    receiver: Receiver<Part>,
    chunk: Vec<u8>,
    offset: usize,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.offset == self.chunk.len() {
            match self.receiver.recv() {
                Ok(Some(chunk)) => (self.chunk, self.offset) = (chunk, 0),
                Ok(None) => return Err(io::Error::other("the layer was cut off")),
                Err(_) => return Ok(0),
            }
        }
        let read = (&self.chunk[self.offset..]).read(buffer)?;
        self.offset += read;
        Ok(read)
    }
}

struct Arriving<'a> {
    image: &'a str,
    target: &'a File,
    folder: &'a Path,
    is_aligned: bool,
}

impl Arriving<'_> {
    fn write(&self, mut incoming: Incoming) -> Result<(), ImageError> {
        let taken = Cell::new(0);
        let damaged = |source| ArchiveError::Decompress { path: self.image.into(), source };
        let stream = Decompressed::new(Counted { stream: &mut incoming, taken: &taken }).map_err(damaged)?;
        match self.is_aligned {
            true => spool::fill(self.target, self.folder, stream, Path::new(self.image), &taken, damaged)?,
            false => self.lay_out(stream, &taken)?,
        }
        // What follows the archive belongs to the layer's digest as well.
        io::copy(&mut incoming, &mut io::sink()).map_err(damaged)?;
        Ok(())
    }

    /// Member by member, those of nested archives as well.
    fn lay_out(&self, stream: impl Read, taken: &Cell<u64>) -> Result<(), ImageError> {
        let room = Room::on(self.target).map_err(|source| self.target_error(source))?;
        let bounded = Bounded { stream, room, filled: 0, taken, name: Path::new(self.image), folder: self.folder };
        let mut reader = Reader::new(StreamSource::new(BufReader::with_capacity(CHUNK, bounded)), Limits::default())
            .with_end_marker(EndMarker::Required);
        let mut writer = Writer::new(self.target, WriteOptions::default())?;
        while let Some(entry) = reader.next_entry().map_err(|source| self.layer_error(source))? {
            if entry.sparse.is_some() {
                writer.append_entry_from(&entry, reader.source_mut())?;
                continue;
            }
            let mut data = reader.data(&entry);
            let mut beginning = Vec::new();
            let mut first = data.by_ref().take(Compression::MAGIC_LEN as u64);
            first
                .read_to_end(&mut beginning)
                .map_err(|source| self.layer_error(ReadError::Io { offset: 0, source }))?;
            // containerd's is compressed, and stays so.
            let is_laid_out = is_nested(&entry.member.path) && Compression::of(&beginning).is_none();
            let mut data = beginning.chain(data);
            match is_laid_out {
                false => writer.append_stream(&entry.member, &mut data)?,
                true => writer.append_nested(&entry.member, |writer| self.nested(&mut data, writer))?,
            }
        }
        writer.finish()?;
        reader.into_source().drain().map_err(|source| self.layer_error(ReadError::Io { offset: 0, source }))
    }

    fn nested(&self, data: &mut dyn Read, writer: &mut Writer<'_>) -> Result<(), ImageError> {
        let mut reader = Reader::new(StreamSource::new(data), Limits::default()).with_end_marker(EndMarker::Required);
        while let Some(entry) = reader.next_entry().map_err(|source| self.layer_error(source))? {
            writer.append_entry_from(&entry, reader.source_mut())?;
        }
        Ok(())
    }

    fn layer_error(&self, source: ReadError) -> ImageError {
        ImageError::Layer { image: self.image.to_owned(), source }
    }

    fn target_error(&self, source: io::Error) -> ImageError {
        ImageError::Io { call: "write to", path: self.folder.to_owned(), source }
    }
}

fn is_nested(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path == ROOTFS_DIFF.as_bytes()
        || path == DEVSHM.as_bytes()
        || path.starts_with(VOLUMES.as_bytes()) && path.ends_with(b".tar")
}
