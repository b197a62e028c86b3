//! Unpacks an archive that cannot be read in place, since it comes through a pipe or is compressed, into a nameless
//! file. Offsets stay the same, so data that lies on blocks can be cloned from there.
//!
//! The file lies in podman's storage. A stream whose content is not known yet must not fill that, see [`Room`].

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aligntar::{ReadError, Reader};

use super::encryption::is_encrypted;
use super::error::ArchiveError;

/// Unit in which zeros become holes, bytes.
const CHUNK: usize = 64 * 1024;

/// How much a compressed stream may grow: those of checkpoints have a tenth of the archive, and seldom a fiftieth.
const GROWTH: u64 = 200;

/// A stream may always grow to so much, bytes.
pub(super) const GROWN: u64 = 1 << 30;

/// Takes `stream` in to its end, in a nameless file in `folder`; runs of zeros become holes. What cannot be read is
/// what `read_error` makes of it, `name` is the stream's for messages; `taken` counts what the stream has read so far.
pub(super) fn spool(
    folder: &Path,
    mut stream: impl Read,
    name: &Path,
    taken: &Cell<u64>,
    read_error: impl Fn(io::Error) -> ArchiveError,
) -> Result<File, ArchiveError> {
    let spool_error = |source| ArchiveError::Spool { path: name.to_owned(), folder: folder.to_owned(), source };
    let spool = tempfile::tempfile_in(folder).map_err(spool_error)?;
    fill(&spool, folder, &mut stream, name, taken, read_error)?;
    Ok(spool)
}

/// As [`spool`], in a file that is there.
pub(crate) fn fill(
    spool: &File,
    folder: &Path,
    mut stream: impl Read,
    name: &Path,
    taken: &Cell<u64>,
    read_error: impl Fn(io::Error) -> ArchiveError,
) -> Result<(), ArchiveError> {
    let spool_error = |source| ArchiveError::Spool { path: name.to_owned(), folder: folder.to_owned(), source };
    let room = Room::on(spool).map_err(spool_error)?;
    let mut chunk = Vec::with_capacity(CHUNK);
    let (mut offset, mut filled) = (0, 0);
    while stream.by_ref().take(CHUNK as u64).read_to_end(&mut chunk).map_err(&read_error)? > 0 {
        if chunk.iter().any(|&byte| byte != 0) {
            filled += chunk.len() as u64;
            room.check(filled, taken.get(), name, folder)?;
            spool.write_all_at(&chunk, offset).map_err(spool_error)?;
        }
        if offset == 0 {
            check_beginning(spool, name)?;
        }
        offset += chunk.len() as u64;
        chunk.clear();
    }
    spool.set_len(offset).map_err(spool_error)
}

/// What is no archive at all is not taken in.
fn check_beginning(spool: &File, name: &Path) -> Result<(), ArchiveError> {
    if is_encrypted(spool).unwrap_or_default() {
        return Err(ArchiveError::Encrypted { path: name.to_owned() });
    }
    match Reader::open(spool).and_then(|mut reader| reader.next_entry()) {
        Err(source @ ReadError::NotAnArchive(_)) => Err(ArchiveError::Read { path: name.to_owned(), source }),
        // The rest is still to come.
        _ => Ok(()),
    }
}

/// What a stream may fill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes: all that is free but a twentieth of the file system, or half of it where that is more.
    space: u64,
    /// See [`GROWN`].
    grown: u64,
}

impl Room {
    /// Of what is read and not kept, and may always grow to so much.
    pub(super) fn unkept(grown: u64) -> Self {
        Room { space: u64::MAX, grown }
    }

    pub(crate) fn on(spool: &File) -> io::Result<Self> {
        let stat = rustix::fs::fstatvfs(spool)?;
        let (size, free) = (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize);
        Ok(Room { space: free - (size / 20).min(free / 2), grown: GROWN })
    }

    /// Whether `filled` bytes may be filled by a stream of which `taken` were read.
    pub(crate) fn check(&self, filled: u64, taken: u64, name: &Path, folder: &Path) -> Result<(), ArchiveError> {
        if filled > self.space {
            let (path, folder) = (name.to_owned(), folder.to_owned());
            return Err(ArchiveError::NoRoom { path, folder, space: self.space });
        }
        if filled > self.grown && filled / GROWTH > taken {
            return Err(ArchiveError::Grows { path: name.to_owned() });
        }
        Ok(())
    }
}

/// A stream that ends with an error where it unpacks to more than there is room for.
pub(crate) struct Bounded<'b, R> {
    pub(crate) stream: R,
    pub(crate) room: Room,
    pub(crate) filled: u64,
    /// How much was read of it before it was unpacked.
    pub(crate) taken: &'b Cell<u64>,
    /// What messages call it, and where it goes.
    pub(crate) name: &'b Path,
    pub(crate) folder: &'b Path,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.filled += read as u64;
        self.room.check(self.filled, self.taken.get(), self.name, self.folder).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// Counts what is read of `stream`.
pub(crate) struct Counted<'c, R> {
    pub(crate) stream: R,
    pub(crate) taken: &'c Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_fills_neither_the_file_system_nor_more_than_checkpoints_do() {
        let room = Room { space: 1 << 40, grown: 1 << 20 };
        let check = |filled, taken| room.check(filled, taken, Path::new("x.tar.zst"), Path::new("/graph"));
        check(1 << 20, 1).unwrap();
        check(GROWTH << 20, 1 << 20).unwrap();
        assert!(matches!(check((1 << 20) + 1, 1), Err(ArchiveError::Grows { .. })));
        assert!(matches!(check(GROWTH << 21, 1 << 20), Err(ArchiveError::Grows { .. })));
        check(1 << 40, 1 << 40).unwrap();
        assert!(matches!(check((1 << 40) + 1, 1 << 40), Err(ArchiveError::NoRoom { space, .. }) if space == 1 << 40));
    }

    #[test]
    fn what_is_no_archive_is_not_taken_in() {
        let folder = tempfile::tempdir().unwrap();
        let taken = Cell::new(0);
        let endless = Counted { stream: io::repeat(b'x'), taken: &taken };
        let spooled = spool(folder.path(), endless, Path::new("-"), &taken, |_| unreachable!());
        assert!(matches!(spooled, Err(ArchiveError::Read { source: ReadError::NotAnArchive(_), .. })));
        assert_eq!(taken.get(), CHUNK as u64);
    }
}
