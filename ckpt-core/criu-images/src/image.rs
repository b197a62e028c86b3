//! Images as pieces of open files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::fstat;
use rustix::io::{Errno, pread};

use crate::image_error::ImageError;

/// One image of CRIU: a file, or a piece of one, as of a tar archive.
///
/// It is read from the open descriptor alone: what happens to the file's name changes nothing. [`Piece::is_unchanged`]
/// tells whether the file's size and time of modification are still those of when this value was made. (Its time of change
/// is another when it is renamed, or loses its name.)
#[derive(Clone, Debug)]
pub struct Image {
    file: Arc<File>,
    piece: Piece,
}

impl Image {
    /// `length` bytes of `file` from `offset` on.
    pub fn new(file: Arc<File>, offset: u64, length: u64) -> Self {
        let version = Version::of(&*file).ok();
        Self { file, piece: Piece { offset, length, version } }
    }

    /// All of a file.
    ///
    /// # Errors
    /// If it cannot be opened, or is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self::new(Arc::new(file), 0, metadata.len()))
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        self.piece.length
    }

    /// The file that it is a piece of.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where it lies there.
    pub fn piece(&self) -> Piece {
        self.piece
    }

    /// Fills `bytes` from `offset` of the image.
    ///
    /// # Errors
    /// As [`Piece::read_at`].
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), Errno> {
        self.piece.read_at(&self.file, bytes, offset)
    }

    /// All of it.
    ///
    /// # Errors
    /// `FBIG` if it is longer than `limit` bytes; else as [`Piece::read_at`].
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>, Errno> {
        let length = usize::try_from(self.length().min(limit.saturating_add(1))).map_err(|_| Errno::FBIG)?;
        if self.length() > limit {
            return Err(Errno::FBIG);
        }
        let mut bytes = vec![0; length];
        self.piece().read_at(&self.file, &mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Where an image lies in its file.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    offset: u64,
    length: u64,
    /// None if the kernel did not tell: then no page is given.
    version: Option<Version>,
}

/// What is another after a file was written to: its size in bytes, and the seconds and nanoseconds of its modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version(i64, i64, u64);

impl Version {
    fn of(file: impl AsFd) -> Result<Self, Errno> {
        let stat = fstat(file)?;
        Ok(Self(stat.st_size, stat.st_mtime, stat.st_mtime_nsec))
    }
}

impl Piece {
    /// Whether nobody has written to the file: what was read before is the image's then.
    ///
    /// # Errors
    /// Of fstat(2).
    pub fn is_unchanged(self, file: impl AsFd) -> Result<bool, Errno> {
        Ok(self.version == Some(Version::of(file)?))
    }

    /// Where `length` bytes at `offset` of the image are in its file, as far as they are in the image: offset and length.
    pub fn place_of(self, offset: u64, length: u64) -> (u64, u64) {
        let (from, to) = (offset.min(self.length), offset.saturating_add(length).min(self.length));
        (self.offset.saturating_add(from), to - from)
    }

    /// Fills `bytes` from `offset` of the image.
    ///
    /// # Errors
    /// `NODATA` if file or image end before; `IO` and others as the kernel gives them. Never zeros instead.
    pub fn read_at(self, file: impl AsFd, bytes: &mut [u8], offset: u64) -> Result<(), Errno> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(Errno::NODATA)?;
        if end > self.length {
            return Err(Errno::NODATA);
        }
        let mut at = self.offset.checked_add(offset).ok_or(Errno::NODATA)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match pread(&file, &mut *rest, at) {
                Ok(0) => return Err(Errno::NODATA),
                Ok(count) => {
                    rest = &mut rest[count..];
                    at += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The images of one checkpoint by their names, such as `pstree.img` and `pages-1.img`.
#[derive(Clone, Debug, Default)]
pub struct Images {
    by_name: BTreeMap<String, Image>,
}

impl Images {
    /// Adds an image; `name` is that of the file in CRIU's image directory.
    pub fn insert(&mut self, name: impl Into<String>, image: Image) {
        self.by_name.insert(name.into(), image);
    }

    /// The files of an image directory whose names end in `.img`.
    ///
    /// # Errors
    /// If the directory or one of them cannot be read.
    pub fn in_directory(directory: &Path) -> io::Result<Self> {
        let mut images = Self::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|name| name.ends_with(".img"))
                && entry.file_type()?.is_file()
            {
                images.insert(name, Image::open(&entry.path())?);
            }
        }
        Ok(images)
    }

    /// The names of all images, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The image `name`.
    ///
    /// # Errors
    /// [`ImageError::Missing`].
    pub fn find(&self, name: &str) -> Result<&Image, ImageError> {
        self.get(name).ok_or_else(|| ImageError::Missing { name: name.into() })
    }

    /// The image `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Image> {
        self.by_name.get(name)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_image_is_read_out_of_the_middle_of_a_file_and_not_beyond_it() -> anyhow::Result<()> {
        let mut file = tempfile::tempfile()?;
        file.write_all(b"....image....")?;
        let image = Image::new(Arc::new(file), 4, 5);
        assert_eq!(image.read_all(5)?, b"image");
        assert_eq!(image.read_all(4), Err(Errno::FBIG));
        let mut bytes = [0; 3];
        image.piece().read_at(image.file(), &mut bytes, 2)?;
        assert_eq!(&bytes, b"age");
        assert_eq!(image.piece().read_at(image.file(), &mut bytes, 3), Err(Errno::NODATA));
        assert_eq!(image.piece().read_at(image.file(), &mut bytes, u64::MAX), Err(Errno::NODATA));
        assert_eq!(image.piece().place_of(1, 2), (5, 2));
        assert_eq!(image.piece().place_of(3, 4), (7, 2));
        assert_eq!(image.piece().place_of(u64::MAX, u64::MAX), (9, 0));
        Ok(())
    }

    #[test]
    fn a_file_that_was_written_to_is_told_from_one_that_lost_its_name() -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(b"image")?;
        let image = Image::open(file.path())?;
        let is_unchanged = || image.piece().is_unchanged(image.file());
        let mut writer = file.reopen()?;
        fs::rename(file.path(), file.path().with_extension("renamed"))?;
        fs::remove_file(file.path().with_extension("renamed"))?;
        assert!(is_unchanged()?);
        // The clock of modifications may have stood still since.
        while is_unchanged()? {
            io::Seek::rewind(&mut writer)?;
            writer.write_all(b"IMAGE")?;
        }
        Ok(())
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error_and_not_zeros() -> anyhow::Result<()> {
        let file = tempfile::tempfile()?;
        file.set_len(8192)?;
        let image = Image::new(Arc::new(file), 0, 8192);
        image.file().set_len(6000)?;
        assert_eq!(image.piece().read_at(image.file(), &mut [0; 4096], 4096), Err(Errno::NODATA));
        Ok(())
    }
}
