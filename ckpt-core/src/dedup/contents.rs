//! Where an archive has what can be shared: images of memory and files.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};

use aligntar::{Alignment, Compression, Entry, FileSource, Kind, ReadError, Reader};

use super::error::DedupError;
use super::opened::Opened;
use crate::archive::{ArchiveError, CHECKPOINT, DEVSHM, ROOTFS_DIFF, VOLUMES};
use crate::host::interrupt::Interrupt;

/// Files of a block or more that are looked for in the other archive; they take 48 MiB. Those behind them stay as they
/// are.
const FILES: usize = 1 << 21;

/// Page maps and images of pages; each process has two of them, and no host has more processes.
const IMAGES: usize = 1 << 18;

/// The longest name of one, bytes: `pagemap-shmem-` and a number.
const IMAGE_NAME: usize = 64;

/// Members between two looks at the interrupt.
const LOOK: usize = 1 << 10;

/// Smaller files have no block of their own, whatever the file system (blocks have 512 bytes at least).
const SMALLEST: u64 = 512;

/// What an archive has, and where.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// `pagemap-*.img` and `pages-*.img` by name.
    pub(super) images: BTreeMap<String, Piece>,
    /// All else, by path and length.
    pub(super) files: Vec<FilePiece>,
    /// Bytes.
    pub(super) archive_len: u64,
}

/// Bytes of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The data of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FilePiece {
    /// Of its path and that of the nested archive that it is in. Two paths with one number are compared for nothing, and
    /// no more: a million paths take a tenth of their memory this way.
    pub(super) path: u64,
    pub(super) length: u64,
    pub(super) offset: u64,
}

impl Contents {
    /// Reads all headers, those of nested archives too.
    pub(super) fn read(archive: &Opened<'_>, interrupt: Option<&Interrupt>) -> Result<Self, DedupError> {
        let io_error = |call| move |source| ArchiveError::Io { call, path: archive.path.to_owned(), source };
        let archive_len = archive.file.metadata().map_err(io_error("stat"))?.len();
        if is_compressed(archive).map_err(io_error("read"))? {
            return Err(DedupError::Compressed { path: archive.path.to_owned() });
        }
        let mut contents = Contents { archive_len, ..Contents::default() };
        let read_error = |source| ArchiveError::Read { path: archive.path.to_owned(), source };
        let mut look = Look { interrupt, members: 0 };
        for entry in Reader::open(&archive.file).map_err(read_error)? {
            look.at_next()?;
            let mut entry = entry.map_err(read_error)?;
            entry.member.make_plain();
            contents.add(&entry);
            if is_nested(&entry.member.path) && entry.sparse.is_none() {
                let nested = Reader::open_nested(&archive.file, &entry).map_err(read_error)?;
                contents.add_nested(&entry.member.path, nested, &mut look)?;
            }
        }
        contents.files.sort_unstable();
        Ok(contents)
    }

    fn add(&mut self, entry: &Entry) {
        if is_nested(&entry.member.path) {
            return;
        }
        match image_name(&entry.member.path) {
            Some(name) if self.images.len() < IMAGES && entry.sparse.is_none() => {
                self.images.insert(name.to_owned(), Piece { offset: entry.data_offset, length: entry.stored_len });
            }
            _ => self.add_file(b"", entry),
        }
    }

    /// The members of an archive in the archive, as far as it is one: what else it may be is not worth an error here.
    fn add_nested(
        &mut self,
        within: &[u8],
        nested: Reader<FileSource<'_>>,
        look: &mut Look<'_>,
    ) -> Result<(), DedupError> {
        for entry in nested.map_while(Result::<Entry, ReadError>::ok) {
            look.at_next()?;
            self.add_file(within, &entry);
        }
        Ok(())
    }

    fn add_file(&mut self, within: &[u8], entry: &Entry) {
        let is_regular = matches!(entry.member.kind, Kind::Regular { .. });
        if is_regular && entry.stored_len >= SMALLEST && self.files.len() < FILES {
            let mut hasher = DefaultHasher::new();
            (within, &entry.member.path[..]).hash(&mut hasher);
            let (path, length, offset) = (hasher.finish(), entry.stored_len, entry.data_offset);
            self.files.push(FilePiece { path, length, offset });
        }
    }

    /// Whether most bytes of what is larger than a block lie on blocks.
    pub(super) fn is_on_blocks(&self, block: Alignment) -> bool {
        let images = self.images.values().map(|image| (image.offset, image.length));
        let files = self.files.iter().map(|file| (file.offset, file.length));
        let (mut on, mut off) = (0u64, 0u64);
        for (offset, length) in images.chain(files).filter(|(_, length)| *length >= block.bytes()) {
            let sum = if block.is_aligned(offset) { &mut on } else { &mut off };
            *sum = sum.saturating_add(length);
        }
        on >= off
    }
}

/// Looks at the interrupt now and then.
struct Look<'i> {
    interrupt: Option<&'i Interrupt>,
    members: usize,
}

impl Look<'_> {
    fn at_next(&mut self) -> Result<(), DedupError> {
        self.members += 1;
        match self.interrupt {
            Some(interrupt) if self.members.is_multiple_of(LOOK) && interrupt.is_raised() => {
                Err(DedupError::Interrupted)
            }
            _ => Ok(()),
        }
    }
}

fn is_compressed(archive: &Opened<'_>) -> io::Result<bool> {
    let mut magic = Vec::new();
    (&archive.file).take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic)?;
    Ok(Compression::of(&magic).is_some())
}

fn is_nested(path: &[u8]) -> bool {
    path == ROOTFS_DIFF.as_bytes()
        || path == DEVSHM.as_bytes()
        || path.starts_with(VOLUMES.as_bytes()) && path.ends_with(b".tar")
}

/// The name of the page map or image of pages at `path`.
fn image_name(path: &[u8]) -> Option<&str> {
    let name = path.strip_prefix(CHECKPOINT.as_bytes())?.strip_prefix(b"/")?;
    let is_of_memory = name.starts_with(b"pagemap-") || name.starts_with(b"pages-");
    let name = str::from_utf8(name).ok()?;
    (is_of_memory && name.ends_with(".img") && name.len() <= IMAGE_NAME).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use aligntar::{Member, WriteOptions, Writer};

    use super::*;

    fn member(path: &str, size: u64) -> Member {
        Member::new(path, Kind::Regular { size }, 0o644)
    }

    #[test]
    fn images_and_files_are_told_apart_and_nested_archives_are_opened() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
        for path in ["checkpoint/pages-1.img", "checkpoint/pagemap-7.img", "checkpoint/core-7.img", "small"] {
            let size = if path == "small" { 3 } else { 600 };
            writer.append_bytes(&member(path, size), &vec![1; size as usize]).unwrap();
        }
        for nested in ["rootfs-diff.tar", "volumes/data.tar"] {
            let append = |writer: &mut Writer<'_>| writer.append_bytes(&member("x", 5000), &[2; 5000]).map(drop);
            writer.append_nested(&member(nested, 0), append).unwrap();
        }
        writer.finish().unwrap();
        let contents = Contents::read(&Opened { file, path: Path::new("x.tar") }, None).unwrap();
        assert_eq!(contents.images.keys().collect::<Vec<_>>(), ["pagemap-7.img", "pages-1.img"]);
        let mut lengths: Vec<u64> = contents.files.iter().map(|file| file.length).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [600, 5000, 5000]);
        assert!(contents.is_on_blocks(Alignment::DEFAULT));
        let mut paths: Vec<u64> = contents.files.iter().map(|file| file.path).collect();
        paths.dedup();
        assert_eq!(paths.len(), 3, "one path in two nested archives");
    }
}
