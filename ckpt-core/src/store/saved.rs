//! One archive in the store, as it tells of itself.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use aligntar::Compression;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::manifest::Manifest;
use crate::archive::{ArchiveError, CHECKPOINT, CheckpointArchive, MANIFEST, PARENT};
use crate::host::byte_path::BytePath;

/// An archive in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// Its name in the container's folder.
    pub file: BytePath,
    /// 16 hexadecimal digits. One that `save` did not make gets some out of its name.
    pub id: String,
    /// Its number, if `save` made it.
    pub sequence: Option<u64>,
    /// The container's ID.
    pub container_id: String,
    /// The container's name then.
    pub container: String,
    /// When the container was frozen.
    pub created: Timestamp,
    /// What people look for.
    pub tags: Vec<String>,
    /// What somebody wrote.
    pub note: String,
    /// The options of the checkpoint.
    pub flags: Vec<String>,
    /// How long the container stood still, in microseconds.
    pub frozen_us: Option<u64>,
    /// Length of the archive in bytes.
    pub bytes: u64,
    /// What memory it has.
    pub memory: Memory,
    /// Bytes of it.
    pub memory_bytes: u64,
}

/// What memory is in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// All of it.
    Whole,
    /// What changed since a pre-checkpoint, without which it cannot be restored.
    Changes,
    /// None: the container did not run, and a restore does not start it.
    None,
}

/// Digits of an ID that are shown.
const SHOWN_DIGITS: usize = 8;

impl Saved {
    /// The beginning of the ID, for people.
    pub fn short_id(&self) -> &str {
        self.id.get(..SHOWN_DIGITS).unwrap_or(&self.id)
    }

    /// Whether it can be restored alone.
    pub fn is_whole(&self) -> bool {
        self.memory != Memory::Changes
    }

    /// Whether it is of a container that did not run.
    pub fn has_no_memory(&self) -> bool {
        self.memory == Memory::None
    }

    /// What the archive `file` with the `name` in a container's folder says.
    pub(super) fn read(mut file: File, name: &Path, path: &Path) -> Result<Self, ArchiveError> {
        let io_error = |call| move |source| ArchiveError::Io { call, path: path.to_owned(), source };
        check_plain(&mut file, path)?;
        let metadata = file.metadata().map_err(io_error("stat"))?;
        let archive = CheckpointArchive::read(file, path, Path::new("/"), None)?;
        let manifest: Manifest = archive.json(MANIFEST)?.unwrap_or_default();
        let config = archive.config()?;
        let save = manifest.save.unwrap_or_default();
        let written = || metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let is_pages =
            |path: &[u8]| path.strip_prefix(CHECKPOINT.as_bytes()).is_some_and(|path| path.starts_with(b"/pages-"));
        Ok(Saved {
            file: BytePath(name.to_owned()),
            sequence: (!save.id.is_empty()).then_some(save.sequence),
            id: if is_id(&save.id) { save.id } else { id_of_name(name) },
            container_id: config.id,
            container: config.name,
            created: manifest.created.parse().ok().or_else(written).unwrap_or_default(),
            tags: save.tags,
            note: save.note,
            flags: manifest.flags,
            frozen_us: manifest.frozen_us,
            bytes: metadata.len(),
            memory: memory_of(&archive),
            memory_bytes: archive
                .entries()
                .map(|entry| &entry.member)
                .filter(|member| is_pages(&member.path))
                .map(|member| member.size())
                .sum(),
        })
    }
}

fn memory_of(archive: &CheckpointArchive) -> Memory {
    match archive.entry(PARENT) {
        _ if !archive.has_memory() => Memory::None,
        Some(_) => Memory::Changes,
        None => Memory::Whole,
    }
}

/// A compressed archive would have to be unpacked for each look at it.
fn check_plain(file: &mut File, path: &Path) -> Result<(), ArchiveError> {
    let io_error = |source| ArchiveError::Io { call: "read", path: path.to_owned(), source };
    let mut magic = Vec::new();
    file.by_ref().take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic).map_err(io_error)?;
    file.rewind().map_err(io_error)?;
    match Compression::of(&magic) {
        Some(_) => Err(io_error(std::io::Error::other("it is compressed: the history has only archives that are not"))),
        None => Ok(()),
    }
}

/// 16 hexadecimal digits, in small letters.
fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The same digits each time (FNV-1a).
fn id_of_name(name: &Path) -> String {
    let bytes = name.as_os_str().as_encoded_bytes();
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    format!("{hash:016x}")
}
