//! Where the data of files lies in the output, from passes before this one.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::io::Errno;

use super::seen::{FileId, Seen, Version};
use crate::transfer::{TransferError, Transferred, may_have_holes, read_exact_at, read_from_memory};

/// What one comparison reads, bytes.
const CHUNK: u64 = 256 * 1024;

/// So much is worth a thread of its own, bytes.
const SHARE: u64 = 2 << 20;

/// Of all files that have whole blocks.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: HashMap<FileId, Slot>,
    pass: u32,
    /// Whether others write to the files still.
    in_motion: bool,
}

/// The whole blocks of a file, in the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) place: u64,
    pub(super) length: u64,
    /// How they got there.
    pub(super) moved: Transferred,
    /// Of the file when it was read; none if its bytes may be others by now.
    version: Option<Version>,
    /// The last pass that used it.
    used: u32,
}

impl Slots {
    pub(super) fn begin_pass(&mut self, in_motion: bool) {
        (self.pass, self.in_motion) = (self.pass + 1, in_motion);
    }

    /// Looks at a file that is going to be read.
    pub(super) fn look(&self, file: &File) -> rustix::io::Result<Seen> {
        if self.in_motion { Seen::before_reading(file) } else { Seen::now(file) }
    }

    pub(super) fn remember(&mut self, seen: &Seen, place: u64, length: u64, moved: Transferred) {
        let version = seen.tells.then_some(seen.version);
        self.slots.insert(seen.id, Slot { place, length, moved, version, used: self.pass });
    }

    /// Nothing is remembered of what lies from `place` on.
    pub(super) fn forget_from(&mut self, place: u64) {
        self.slots.retain(|_, slot| slot.place < place);
    }

    /// Where the `whole` blocks of the file lie in `output`, once they are as in the file; and how many bytes had to be
    /// copied for that. None if it has to be appended.
    pub(super) fn find(&mut self, seen: &Seen, whole: u64, source: &File, output: &File) -> Option<(Slot, u64)> {
        let slot = self.slots.get_mut(&seen.id)?;
        // A number that was used in this pass is another file's by now.
        if slot.length != whole || slot.used == self.pass {
            return None;
        }
        let mut copied = 0;
        if slot.version.is_none_or(|version| version != seen.version) {
            if slot.moved.hole_bytes > 0 || may_have_holes(source).unwrap_or(true) {
                return None;
            }
            slot.version = None;
            copied = refresh(source, output, slot).ok()?;
            slot.version = seen.tells.then_some(seen.version);
        }
        slot.used = self.pass;
        Some((*slot, copied))
    }
}

/// Writes to the slot what is not the same in the file; gives the bytes. All processors take part: others may stand still
/// until it is done.
fn refresh(source: &File, output: &File, slot: &Slot) -> Result<u64, TransferError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let helpers = processors.min((slot.length / SHARE) as usize).saturating_sub(1);
    let next = AtomicU64::new(0);
    let work = || refresh_chunks(source, output, slot, &next);
    thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
        let own = work();
        helpers.into_iter().fold(own, |copied, helper| Ok(copied? + helper.join().expect("it does not panic")?))
    })
}

/// The `next` chunk each time, until there is none.
fn refresh_chunks(source: &File, output: &File, slot: &Slot, next: &AtomicU64) -> Result<u64, TransferError> {
    let (mut new, mut old) = (vec![0; CHUNK as usize], vec![0; CHUNK as usize]);
    let mut copied = 0;
    loop {
        let done = next.fetch_add(CHUNK, Ordering::Relaxed);
        if done >= slot.length {
            return Ok(copied);
        }
        let length = (slot.length - done).min(CHUNK) as usize;
        let (new, old, place) = (&mut new[..length], &mut old[..length], slot.place + done);
        read_exact_at(source, new, done)?;
        if !read_quickly(output, old, place) || old != new {
            output.write_all_at(new, place).map_err(|source| TransferError::Write { offset: place, source })?;
            copied += length as u64;
        }
    }
}

/// Reads what need not come from the disk; writing it anew is faster than that.
fn read_quickly(file: &File, bytes: &mut [u8], offset: u64) -> bool {
    match read_from_memory(file, bytes, offset) {
        // tmpfs, which has everything in memory.
        Err(Errno::OPNOTSUPP) => file.read_exact_at(bytes, offset).is_ok(),
        read => read == Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: u64 = 4096;

    /// A file of several shares, and an output that has its bytes at [`PLACE`].
    fn file_and_slot() -> (File, File, Slot) {
        let length = 3 * SHARE + CHUNK + 4096;
        let bytes: Vec<u8> = (0..length).map(|at| (at / 4096) as u8).collect();
        let (file, output) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        file.write_all_at(&bytes, 0).unwrap();
        output.write_all_at(&bytes, PLACE).unwrap();
        (file, output, Slot { place: PLACE, length, moved: Transferred::default(), version: None, used: 1 })
    }

    #[test]
    fn chunks_that_differ_are_written_whoever_takes_them() {
        let (file, output, slot) = file_and_slot();
        assert_eq!(refresh(&file, &output, &slot).unwrap(), 0);
        for at in [5, SHARE + 1, slot.length - 1] {
            file.write_all_at(b"!", at).unwrap();
        }
        assert_eq!(refresh(&file, &output, &slot).unwrap(), 2 * CHUNK + 4096);
        let (mut new, mut old) = (vec![0; slot.length as usize], vec![0; slot.length as usize]);
        file.read_exact_at(&mut new, 0).unwrap();
        output.read_exact_at(&mut old, PLACE).unwrap();
        assert_eq!(new, old);
    }

    #[test]
    fn a_file_that_shrank_is_an_error_whoever_finds_it() {
        for length in [0, SHARE, 3 * SHARE] {
            let (file, output, slot) = file_and_slot();
            file.set_len(length).unwrap();
            let refreshed = refresh(&file, &output, &slot);
            assert!(matches!(refreshed, Err(TransferError::SourceShrank { .. })), "{length}: {refreshed:?}");
        }
    }
}
