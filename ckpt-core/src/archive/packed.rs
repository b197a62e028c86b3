//! A nested archive that is compressed, as the `rootfs-diff.tar` of containerd is: its members can be listed, and nothing
//! of it be cloned.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aligntar::{Compression, Decompressed, EndMarker, Entry, Limits, Reader, StreamSource};

use super::error::ArchiveError;
use super::spool::{Bounded, Counted, Room};

/// What is unpacked at a time, bytes.
const BUFFER: usize = 128 << 10;

/// How the nested archive `entry` in `file` is compressed; `None` if it is not.
pub(super) fn compression(file: &File, entry: &Entry) -> io::Result<Option<Compression>> {
    let mut magic = Vec::new();
    Section::of(file, entry).take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic)?;
    Ok(Compression::of(&magic))
}

/// Shows each member of the compressed archive `entry`, as far as there is room to unpack it. Their offsets mean nothing in `file`, which messages call `path`.
pub(super) fn list(
    path: &Path,
    file: &File,
    entry: &Entry,
    room: Room,
    visit: &mut dyn FnMut(&Entry),
) -> Result<(), ArchiveError> {
    let damaged = |source| ArchiveError::Decompress { path: path.to_owned(), source };
    let read_error = |source| ArchiveError::Read { path: path.to_owned(), source };
    let taken = Cell::new(0);
    let stream = Counted { stream: Section::of(file, entry), taken: &taken };
    let stream = Decompressed::new(stream).map_err(damaged)?;
    let bounded = Bounded { stream, room, filled: 0, taken: &taken, name: path, folder: Path::new("") };
    let source = StreamSource::new(BufReader::with_capacity(BUFFER, bounded));
    let mut reader = Reader::new(source, Limits::default()).with_end_marker(EndMarker::Required);
    while let Some(member) = reader.next_entry().map_err(read_error)? {
        visit(&member);
    }
    Ok(())
}

/// The data of a member.
struct Section<'f> {
    file: &'f File,
    offset: u64,
    end: u64,
}

impl<'f> Section<'f> {
    fn of(file: &'f File, entry: &Entry) -> Self {
        Section { file, offset: entry.data_offset, end: entry.data_offset.saturating_add(entry.stored_len) }
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.end - self.offset).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligntar::{Kind, Member, WriteOptions, Writer};
    use flate2::write::GzEncoder;

    /// An archive whose only member is `data`.
    fn archive_of(data: &[u8]) -> (File, Entry) {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
        let member = Member::new("rootfs-diff.tar", Kind::Regular { size: data.len() as u64 }, 0o600);
        writer.append_bytes(&member, data).unwrap();
        writer.finish().unwrap();
        let entry = Reader::open(&file).unwrap().next_entry().unwrap().unwrap();
        (file, entry)
    }

    fn names(file: &File, entry: &Entry) -> Result<Vec<String>, ArchiveError> {
        let mut names = Vec::new();
        let mut add = |entry: &Entry| names.push(String::from_utf8_lossy(&entry.member.path).into_owned());
        list(Path::new("x.tar"), file, entry, Room::unkept(1 << 20), &mut add)?;
        Ok(names)
    }

    #[test]
    fn members_of_a_compressed_archive_are_listed() {
        let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut writer = Writer::to_stream(&mut packed, WriteOptions::default()).unwrap();
        for name in ["etc/.wh.passwd", "srv/new"] {
            writer.append_bytes(&Member::new(name, Kind::Regular { size: 0 }, 0o600), b"").unwrap();
        }
        writer.finish().unwrap();
        let (file, entry) = archive_of(&packed.finish().unwrap());
        assert_eq!(compression(&file, &entry).unwrap(), Some(Compression::Gzip));
        assert_eq!(names(&file, &entry).unwrap(), ["etc/.wh.passwd", "srv/new"]);
        let (file, entry) = archive_of(b"plain");
        assert_eq!(compression(&file, &entry).unwrap(), None);
    }

    #[test]
    fn one_that_unpacks_to_more_than_any_does_is_refused() {
        let size = 64 << 20;
        let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
        let mut writer = Writer::to_stream(&mut packed, WriteOptions::default()).unwrap();
        writer.append_stream(&Member::new("x", Kind::Regular { size }, 0o600), &mut io::repeat(0).take(size)).unwrap();
        writer.finish().unwrap();
        let (file, entry) = archive_of(&packed.finish().unwrap());
        let refused = names(&file, &entry).unwrap_err();
        assert!(format!("{refused:?}").contains("Grows"), "{refused:?}");
    }
}
