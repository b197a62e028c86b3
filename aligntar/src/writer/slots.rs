//! Where the data of files lies in the output, from passes before this one.

use std::collections::HashMap;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::seen::{FileId, Seen, Version};
use crate::transfer::{TransferError, Transferred, may_have_holes, read_exact_at};

/// What one comparison reads, bytes.
const CHUNK: usize = 256 * 1024;

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

/// Writes to the slot what is not the same in the file; gives the bytes.
fn refresh(source: &File, output: &File, slot: &Slot) -> Result<u64, TransferError> {
    let (mut new, mut old) = (vec![0; CHUNK], vec![0; CHUNK]);
    let (mut done, mut copied) = (0, 0);
    while done < slot.length {
        let length = (slot.length - done).min(CHUNK as u64) as usize;
        let (new, old, place) = (&mut new[..length], &mut old[..length], slot.place + done);
        read_exact_at(source, new, done)?;
        if !is_in_memory(output, old, place) || old != new {
            output.write_all_at(new, place).map_err(|source| TransferError::Write { offset: place, source })?;
            copied += length as u64;
        }
        done += length as u64;
    }
    Ok(copied)
}

/// Reads what need not come from the disk; writing it anew is faster than that.
fn is_in_memory(file: &File, bytes: &mut [u8], offset: u64) -> bool {
    let length = bytes.len();
    match preadv2(file, &mut [IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT) {
        // tmpfs, which has everything in memory.
        Err(Errno::OPNOTSUPP) => file.read_exact_at(bytes, offset).is_ok(),
        read => read.is_ok_and(|read| read == length),
    }
}
