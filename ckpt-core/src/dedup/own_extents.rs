//! Gives the blocks back that nobody needs any more, where the file system keeps whole extents.
//!
//! An extent of BTRFS stays on the disk as long as any block of it is in use. One page that differs in an extent of
//! 128 MiB would keep all of it, and sharing the rest would save nothing. So what differs is written again, into a
//! nameless file beside the archive, and the archive is given those blocks in the same way as all others: by the kernel,
//! which compares. The archive itself is never written to. The nameless file goes, its blocks stay with the archive.
//!
//! ```text
//! before   target ▕████████ one extent ████████▏
//! shared   target ▕source█▏██▕source█████▏█▕src▏      the extent is there as a whole, for three blocks
//! after    target ▕source█▏▒▒▕source█████▏▒▕src▏      the three are in a small extent, the large one is gone
//! ```
//!
//! Killed between the two, a run leaves up to 128 MiB that nobody needs. The next one sees two runs of blocks that are the
//! target's own and lie as far from each other on the disk as in the archive: they are of one extent, and what was between
//! them is still there. Of an extent with a single such run, nothing tells. XFS gives single blocks back.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use aligntar::{Alignment, Extent, share_equal_range, start_writeback};

use super::blocks::{Part, end};
use super::error::DedupError;
use super::opened::Opened;
use crate::archive::ArchiveError;
use crate::progress::Progress;

/// `BTRFS_SUPER_MAGIC`, linux/magic.h.
const BTRFS: i64 = 0x9123_683e;

/// The largest extent of BTRFS, bytes (`BTRFS_MAX_EXTENT_SIZE`). What is told as one may be several, one behind the other.
const LARGEST_EXTENT: u64 = 128 << 20;

/// Bytes that are written at once.
const CHUNK: usize = 1 << 20;

/// The extent of the target where the work is, and the file of those that it gets.
pub(super) struct OwnExtents<'o> {
    target: &'o Opened<'o>,
    block: Alignment,
    target_len: u64,
    /// `None` where single blocks are given back, or once it has failed.
    scratch: Option<Scratch>,
    extent: Range<u64>,
    /// Where its first block would lie on the disk if the archive lay there as a whole; `None` if it is not the target's own.
    origin: Option<u64>,
    /// What of it is shared by now, rising.
    shared: Vec<Range<u64>>,
    rewritten_bytes: u64,
}

impl<'o> OwnExtents<'o> {
    pub(super) fn of(target: &'o Opened<'o>, block: Alignment) -> Result<Self, DedupError> {
        let io_error = |source| ArchiveError::Io { call: "stat", path: target.path.to_owned(), source };
        let target_len = target.file.metadata().map_err(io_error)?.len();
        let statfs = rustix::fs::fstatfs(&target.file).map_err(|errno| io_error(errno.into()))?;
        let scratch = (statfs.f_type as i64 == BTRFS).then(Scratch::default);
        Ok(OwnExtents {
            target,
            block,
            target_len,
            scratch,
            extent: 0..0,
            origin: None,
            shared: Vec::new(),
            rewritten_bytes: 0,
        })
    }

    /// The work goes on in `part`, which is not shared with the source yet.
    pub(super) fn enter(&mut self, part: &Part, progress: &mut dyn Progress) {
        let extent = &part.target;
        // What is shared of an extent by now is told no more: the rest of it begins behind that.
        let goes_on = self.goes_on_in(extent);
        if goes_on {
            self.shared(self.extent.end..extent.offset);
        }
        if goes_on || self.extent.contains(&extent.offset) {
            self.extent.end = self.extent.end.max(end(extent));
            while part.span.target_offset - self.extent.start >= LARGEST_EXTENT {
                self.settle(LARGEST_EXTENT, progress);
            }
            return;
        }
        self.leave(progress);
        // Blocks that a third file has as well stay on the disk whatever is done here.
        self.origin = origin(extent);
        self.extent = if self.origin.is_some() { extent.offset..end(extent) } else { 0..0 };
    }

    /// Whether `extent` is what a killed run has left of the one where the work is, with what it had shared between them.
    fn goes_on_in(&self, extent: &Extent) -> bool {
        let is_behind = !self.extent.is_empty() && self.extent.end < extent.offset;
        let is_near = extent.offset.saturating_sub(self.extent.start) < LARGEST_EXTENT;
        is_behind && is_near && self.origin.is_some() && self.origin == origin(extent)
    }

    /// The target has the source's blocks in `range`.
    pub(super) fn shared(&mut self, range: Range<u64>) {
        if self.scratch.is_some() {
            match self.shared.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => self.shared.push(range),
            }
        }
    }

    /// All is done; gives how many bytes were written again.
    pub(super) fn finish(&mut self, progress: &mut dyn Progress) -> u64 {
        self.leave(progress);
        self.rewritten_bytes
    }

    fn leave(&mut self, progress: &mut dyn Progress) {
        self.extent.end = self.extent.end.min(self.target_len);
        while !self.extent.is_empty() {
            self.settle(LARGEST_EXTENT, progress);
        }
        self.shared.clear();
    }

    /// Sees to the first `length` bytes of the extent, or what it has.
    fn settle(&mut self, length: u64, progress: &mut dyn Progress) {
        let stretch = self.extent.start..(self.extent.start + length).min(self.extent.end);
        self.extent.start = stretch.end;
        let own = own(&stretch, &self.shared);
        self.shared.retain(|range| range.end > stretch.end);
        let bytes: u64 = own.iter().map(|range| range.end - range.start).sum();
        // Where most is the target's own, more would be written than is given back.
        if bytes == 0 || bytes > (stretch.end - stretch.start) / 2 {
            return;
        }
        let Some(scratch) = &mut self.scratch else { return };
        match scratch.replace(self.target, &own, self.block) {
            Ok(()) => self.rewritten_bytes += bytes,
            Err(error) => {
                let path = self.target.path.display();
                progress.warning(&format!("less space is given back than could be: write beside {path}: {error}"));
                self.scratch = None;
            }
        }
    }
}

/// See [`OwnExtents::origin`]; it may lie before the disk's beginning.
fn origin(extent: &Extent) -> Option<u64> {
    extent.place.filter(|_| !extent.shared).map(|place| place.wrapping_sub(extent.offset))
}

/// What of `stretch` is not in `shared`, which rises.
fn own(stretch: &Range<u64>, shared: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut own = Vec::new();
    let mut at = stretch.start;
    for range in shared.iter().filter(|range| range.start < stretch.end && range.end > stretch.start) {
        if at < range.start {
            own.push(at..range.start);
        }
        at = range.end;
    }
    if at < stretch.end {
        own.push(at..stretch.end);
    }
    own
}

/// The nameless file, and how much it has.
#[derive(Default)]
struct Scratch {
    file: Option<File>,
    length: u64,
}

impl Scratch {
    /// Gives the target other blocks with the same bytes in `ranges`.
    fn replace(&mut self, target: &Opened<'_>, ranges: &[Range<u64>], block: Alignment) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(beside(&target.file)?);
        }
        let Scratch { file: Some(file), length } = self else { return Ok(()) };
        // On a block: the last range may end with the archive.
        let start = block.align_up(*length).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut at = start;
        for range in ranges {
            at = copy(&target.file, range, file, at)?;
        }
        *length = at;
        start_writeback(&*file, start..at)?;
        let mut at = start;
        for range in ranges {
            give(file, at, &target.file, range)?;
            at += range.end - range.start;
        }
        Ok(())
    }
}

/// A nameless file in the folder of `file`, wherever its name is by now.
fn beside(file: &File) -> io::Result<File> {
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    tempfile::tempfile_in(path.parent().ok_or(io::ErrorKind::NotFound)?)
}

/// Copies a range, not by clone, which would be the same blocks; gives where the copy ends.
fn copy(source: &File, range: &Range<u64>, target: &File, at: u64) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK.min((range.end - range.start) as usize)];
    let (mut from, mut at) = (range.start, at);
    while from < range.end {
        let length = buffer.len().min((range.end - from) as usize);
        source.read_exact_at(&mut buffer[..length], from)?;
        target.write_all_at(&buffer[..length], at)?;
        from += length as u64;
        at += length as u64;
    }
    Ok(at)
}

/// Gives `target` the blocks of `source` from `at` on. What somebody has changed meanwhile stays as it is.
fn give(source: &File, at: u64, target: &File, range: &Range<u64>) -> io::Result<()> {
    let mut done = 0;
    let length = range.end - range.start;
    while done < length {
        match share_equal_range(source, at + done, length - done, target, range.start + done)? {
            Some(bytes) if bytes > 0 => done += bytes,
            _ => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shared_is_the_targets_own() {
        let shared = [0..5, 10..20, 20..25, 40..60];
        assert_eq!(own(&(3..50), &shared), [5..10, 25..40]);
        assert_eq!(own(&(12..18), &shared), []);
        assert_eq!(own(&(60..70), &shared).first(), Some(&(60..70)));
    }
}
