//! An archive opened for reading.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aligntar::{Decompressed, EndMarker, Entry, FileSource, Reader};
use serde::de::DeserializeOwned;

use super::container_config::ContainerConfig;
use super::encryption::is_encrypted;
use super::error::ArchiveError;
use super::go_json;
use super::index::{index, plain};
use super::input::{Import, Interruptible};
use super::limits;
use super::manifest::Manifest;
use super::names::{CHECKPOINT, CONFIG_DUMP, DELETED_FILES, INVENTORY, MANIFEST, SPEC_DUMP};
use super::packed;
use super::spool::{self, Counted, GROWN, Room};
use super::supplement::Supplement;
use crate::host::interrupt::Interrupt;

/// A checkpoint archive opened for reading, decompressed if it was compressed.
#[derive(Debug)]
pub struct CheckpointArchive {
    path: PathBuf,
    file: File,
    compressed: bool,
    in_place: bool,
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl CheckpointArchive {
    /// Opens the archive at `path`; a compressed one (zstd or gzip, told by its first bytes) is unpacked into a
    /// nameless file in `spool`, with runs of zeros as holes.
    ///
    /// # Errors
    /// [`ArchiveError`], also for a tar archive that holds no checkpoint.
    pub fn open(path: &Path, spool: &Path) -> Result<Self, ArchiveError> {
        Self::read(Self::open_file(&path.into())?, path, spool, None)
    }

    /// The file to import, to be looked at before it is read.
    pub(crate) fn open_file(import: &Import) -> Result<File, ArchiveError> {
        let path = import.name();
        import.open().map_err(|source| ArchiveError::Io { call: "open", path: path.to_owned(), source })
    }

    /// As [`CheckpointArchive::open`] for the file `opened`, which errors call `path`; what comes through a pipe is
    /// taken in to its end first, in `spool` as well, unless the interrupt is raised before.
    pub(crate) fn read(
        opened: File,
        path: &Path,
        spool: &Path,
        interrupt: Option<&Interrupt>,
    ) -> Result<Self, ArchiveError> {
        let io_error = |call| move |source| ArchiveError::Io { call, path: path.to_owned(), source };
        let in_place = is_in_place(&opened).map_err(io_error("stat"))?;
        if in_place && is_encrypted(&opened).map_err(io_error("read"))? {
            return Err(ArchiveError::Encrypted { path: path.to_owned() });
        }
        let taken = Cell::new(0);
        let stream = Counted { stream: Interruptible { stream: &opened, interrupt }, taken: &taken };
        let stream = Decompressed::new(stream).map_err(io_error("read"))?;
        let compressed = stream.compression().is_some();
        let damaged = |source| ArchiveError::Decompress { path: path.to_owned(), source };
        let spooled = match (compressed, in_place) {
            (true, _) => Some(spool::spool(spool, stream, path, &taken, damaged)?),
            (false, false) => Some(spool::spool(spool, stream, path, &taken, io_error("read"))?),
            (false, true) => None,
        };
        let file = spooled.unwrap_or(opened);
        let entries = index(path, &file)?;
        CheckpointArchive { path: path.to_owned(), file, compressed, in_place, entries }.check()
    }

    /// What messages call it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The archive's file, decompressed; entries' offsets count in it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// As [`CheckpointArchive::file`], to take members' data from.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if the file's size is unknown.
    pub fn source(&self) -> Result<FileSource<'_>, ArchiveError> {
        FileSource::new(&self.file).map_err(|source| ArchiveError::Io { call: "stat", path: self.path.clone(), source })
    }

    /// The same bytes in another file.
    pub(crate) fn moved_to(self, file: File) -> Self {
        CheckpointArchive { file, ..self }
    }

    /// Whether the file at the path was compressed.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Whether it is read in place, and not out of a file that it was unpacked into.
    pub(crate) fn is_in_place(&self) -> bool {
        self.in_place && !self.compressed
    }

    /// The member `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name.as_bytes())
    }

    /// All members by their paths, those of nested archives not included.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The members of the nested archive `entry`.
    ///
    /// # Errors
    /// [`ArchiveError::Read`], here or from an item; [`ArchiveError::Packed`] if it is compressed.
    pub fn nested(
        &self,
        entry: &Entry,
    ) -> Result<impl Iterator<Item = Result<Entry, ArchiveError>> + use<'_>, ArchiveError> {
        let read_error = |source| ArchiveError::Read { path: self.path.clone(), source };
        if self.is_packed(entry)? {
            let member = String::from_utf8_lossy(&entry.member.path).into_owned();
            return Err(ArchiveError::Packed { path: self.path.clone(), member });
        }
        let reader = Reader::open_nested(&self.file, entry).map_err(read_error)?.with_end_marker(EndMarker::Required);
        Ok(reader.map(move |entry| entry.map(plain).map_err(read_error)))
    }

    /// Whether the nested archive `entry` is compressed, as containerd's.
    pub(crate) fn is_packed(&self, entry: &Entry) -> Result<bool, ArchiveError> {
        let io_error = |source| ArchiveError::Io { call: "read", path: self.path.clone(), source };
        Ok(packed::compression(&self.file, entry).map_err(io_error)?.is_some())
    }

    /// Shows each member of the nested archive `entry`, which is compressed. Their offsets mean nothing in this one.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(crate) fn each_packed(&self, entry: &Entry, visit: &mut dyn FnMut(&Entry)) -> Result<(), ArchiveError> {
        packed::list(&self.path, &self.file, entry, Room::unkept(GROWN), &mut |entry| visit(&plain(entry.clone())))
    }

    /// The bytes of the member `name`; `None` if it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::Io`], also where it is larger than 64 MiB.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(entry) = self.entry(name) else { return Ok(None) };
        let io_error = |source| ArchiveError::Io { call: "read", path: self.path.clone(), source };
        let size = entry.member.size();
        limits::memory(name, size).map_err(|source| io_error(io::Error::other(source)))?;
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, entry.data_offset).map_err(io_error)?;
        Ok(Some(bytes))
    }

    /// The JSON member `name` as a value; `None` if it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::Json`] if it is something else, [`ArchiveError::TooManyValues`].
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ArchiveError> {
        let Some(bytes) = self.json_bytes(name)? else { return Ok(None) };
        let json_error = |source| ArchiveError::Json { path: self.path.clone(), member: name.to_owned(), source };
        serde_json::from_slice(&bytes).map(Some).map_err(json_error)
    }

    fn json_bytes(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let bytes = self.bytes(name)?;
        if bytes.as_deref().is_some_and(|bytes| limits::json(name, bytes).is_err()) {
            return Err(ArchiveError::TooManyValues { path: self.path.clone(), member: name.to_owned() });
        }
        Ok(bytes)
    }

    /// `config.dump`.
    ///
    /// # Errors
    /// As [`CheckpointArchive::json`].
    pub fn config(&self) -> Result<ContainerConfig, ArchiveError> {
        self.dump(CONFIG_DUMP)
    }

    /// `config.dump` or `spec.dump` as podman reads it, which is not quite as others read JSON.
    pub(crate) fn dump<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, ArchiveError> {
        let size = self.entry(name).ok_or_else(|| self.missing(name))?.member.size();
        if limits::dump(name, size).is_err() {
            return Err(ArchiveError::TooLarge { path: self.path.clone(), member: name, size });
        }
        let bytes = self.json_bytes(name)?.unwrap_or_default();
        let json_error = |source| ArchiveError::Json { path: self.path.clone(), member: name.to_owned(), source };
        go_json::from_slice(&bytes).map_err(json_error)
    }

    /// What the archive says of the root filesystem in addition to the members of `rootfs-diff.tar`.
    ///
    /// # Errors
    /// As [`CheckpointArchive::json`].
    pub fn supplement(&self) -> Result<Supplement, ArchiveError> {
        let deleted: Vec<String> = self.json(DELETED_FILES)?.unwrap_or_default();
        let manifest: Option<Manifest> = self.json(MANIFEST)?;
        Ok(Supplement::join(deleted, manifest.unwrap_or_default().rootfs))
    }

    /// Whether it has CRIU's images, and not only files of a container that did not run.
    pub fn has_memory(&self) -> bool {
        self.entry(INVENTORY).is_some()
    }

    fn check(self) -> Result<Self, ArchiveError> {
        let missing = |names: &[&'static str]| names.iter().copied().find(|name| self.entry(name).is_none());
        if let Some(name) = missing(&[CONFIG_DUMP, SPEC_DUMP]) {
            return Err(self.missing(name));
        }
        match missing(&[CHECKPOINT, INVENTORY]) {
            Some(name) if !self.json::<Manifest>(MANIFEST)?.unwrap_or_default().without_memory => {
                Err(self.missing(name))
            }
            _ => Ok(self),
        }
    }

    fn missing(&self, missing: &'static str) -> ArchiveError {
        ArchiveError::NotACheckpoint { path: self.path.clone(), missing }
    }
}

/// What `opened` gives, as a file that can be opened again: itself, or a nameless one in `folder`; compressed as it is.
pub(crate) fn reopenable(
    opened: File,
    path: &Path,
    folder: &Path,
    interrupt: Option<&Interrupt>,
) -> Result<File, ArchiveError> {
    let io_error = |call| move |source| ArchiveError::Io { call, path: path.to_owned(), source };
    if is_in_place(&opened).map_err(io_error("stat"))? {
        return Ok(opened);
    }
    let taken = Cell::new(0);
    let stream = Counted { stream: Interruptible { stream: &opened, interrupt }, taken: &taken };
    spool::spool(folder, stream, path, &taken, io_error("read"))
}

/// Whether it is a file, to be read from its beginning. One that was read from already, as a shell's commands do in
/// turn, goes on from there.
fn is_in_place(mut opened: &File) -> io::Result<bool> {
    Ok(opened.metadata()?.is_file() && opened.stream_position()? == 0)
}
