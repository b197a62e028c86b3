//! Descriptors to read the images by, one set for each worker: the kernel reads ahead of who reads front to back, and
//! tells by the descriptor who that is.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use criu_images::Piece;
use rustix::fs::{Advice, Mode, OFlags, fadvise, open};

use crate::failure::Failure;
use crate::runs::Source;
use crate::sys;

/// Workers that read. More wait only for the lock on a process's memory; fewer leave a disk without work in between. 1 GiB
/// from a cold cache came in 0.61–0.63 s by three, in 0.63–0.67 s by two and in 0.73–0.76 s by four (two processors).
pub(crate) const WORKERS: usize = 3;
/// How far ahead of the workers the kernel reads, in bytes: enough for a disk to have work while pages are put, and little
/// to wait behind for who needs another page at once. By itself it reads 128 KiB ahead, or 4 MiB on BTRFS, and only of who
/// reads all there is: workers leave out what others read.
const AHEAD: u64 = 8 << 20;
/// Files that are opened anew for each worker. Restores of more processes, with a file each, have short ones.
const MAX_FILES: usize = 64;

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// What threads wait for, here and there.
    Answerer,
    /// Front to back; below [`WORKERS`].
    Worker(usize, Ahead),
}

/// Whether the kernel is asked to read ahead of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// As far as [`AHEAD`].
    Far,
    /// Not by us: somebody in a hurry reads from the same disk.
    AsTheKernelLikes,
}

/// Images of pages, by their places in the list of them.
pub(crate) struct Readers {
    images: Vec<(BorrowedFd<'static>, Piece)>,
    /// Each worker's own descriptors, by those in `images`.
    own: [BTreeMap<RawFd, BorrowedFd<'static>>; WORKERS],
}

impl Readers {
    /// Opens what is open in `images` once more for each worker; where that cannot be, they share. All stay open.
    pub(crate) fn open(images: Vec<(BorrowedFd<'static>, Piece)>) -> Self {
        let mut files: Vec<RawFd> = images.iter().map(|(file, _)| file.as_raw_fd()).collect();
        files.sort_unstable();
        files.dedup();
        files.truncate(MAX_FILES);
        let own = std::array::from_fn(|_| files.iter().filter_map(|&file| Some((file, open_anew(file)?))).collect());
        Self { images, own }
    }

    /// Reads what belongs to `source`; an image that cannot be read, or was written to, is an end, never a page of zeros.
    pub(crate) fn read(&self, reader: Reader, source: Source, bytes: &mut [u8]) -> Result<(), Failure> {
        let (file, image) = self.images[source.image as usize];
        let file = match reader {
            Reader::Answerer => file,
            Reader::Worker(number, ahead) => {
                let own = self.own[number].get(&file.as_raw_fd()).copied().unwrap_or(file);
                if ahead == Ahead::Far {
                    read_ahead(own, image.place_of(source.offset.saturating_add(AHEAD), bytes.len() as u64));
                }
                own
            }
        };
        let failed = |error| Failure::Read { offset: source.offset, source: error };
        image.read_at(file, bytes, source.offset).map_err(failed)?;
        match image.is_unchanged(file) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Changed),
            Err(error) => Err(failed(error)),
        }
    }
}

/// It is no more than advice.
fn read_ahead(file: BorrowedFd<'_>, (offset, length): (u64, u64)) {
    let _ = NonZeroU64::new(length).map(|length| fadvise(file, offset, Some(length), Advice::WillNeed));
}

/// The same file, whatever its name is by now.
fn open_anew(file: RawFd) -> Option<BorrowedFd<'static>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    open(format!("/proc/self/fd/{file}"), flags, Mode::empty()).ok().map(sys::keep_open)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::sync::Arc;

    use criu_images::Image;

    use super::*;

    #[test]
    fn each_worker_reads_by_a_descriptor_of_its_own_what_has_no_name_any_more() -> anyhow::Result<()> {
        let mut file = tempfile::tempfile()?;
        file.write_all(b"....image....")?;
        let image = Image::new(Arc::new(file.try_clone()?), 4, 5);
        let shared = sys::keep_open(file.try_clone()?);
        let readers = Readers::open(vec![(shared, image.piece()), (shared, image.piece())]);
        let mut numbers: Vec<RawFd> = readers.own.iter().flatten().map(|(_, own)| own.as_raw_fd()).collect();
        numbers.push(shared.as_raw_fd());
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), WORKERS + 1);

        let source = Source { image: 1, offset: 1, wiped_on_fork: false };
        let workers = [Reader::Worker(0, Ahead::AsTheKernelLikes), Reader::Worker(WORKERS - 1, Ahead::Far)];
        for reader in [Reader::Answerer].into_iter().chain(workers) {
            let mut bytes = [0; 3];
            readers.read(reader, source, &mut bytes)?;
            assert_eq!(&bytes, b"mag", "{reader:?}");
        }
        file.rewind()?;
        file.set_len(6)?;
        for reader in [Reader::Answerer, workers[1]] {
            assert!(readers.read(reader, source, &mut [0; 3]).is_err(), "{reader:?}");
        }
        numbers.into_iter().for_each(sys::close);
        Ok(())
    }
}
