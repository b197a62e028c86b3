//! An archive that is made several times, each time with the data that did not change since the time before.
//!
//! The first passes are made while others still write to the files, the last one when they stand still: that one copies
//! only what has changed meanwhile.

use std::fs::File;

use super::archive::Writer;
use super::error::WriteError;
use super::file_data::{CLONE_FROM, data_error};
use super::layout::filling;
use crate::member::Member;
use crate::transfer::{Span, Transferred};

impl Writer<'_> {
    /// Begins the archive anew, with files that others write to. What is appended until the next call is a pass: it can be
    /// incomplete, and is no part of the archive. But [`Writer::append_file`] remembers where data lies, and the passes
    /// behind take it from there, if the file has not changed.
    ///
    /// Where this is called, the archive begins at the start of the file.
    ///
    /// # Errors
    /// [`WriteError::NotAFile`] where the output is a stream.
    pub fn begin_pass(&mut self) -> Result<(), WriteError> {
        self.begin_anew(true)
    }

    /// Begins the archive anew for the last time: the files stand still now.
    ///
    /// # Errors
    /// As [`Writer::begin_pass`].
    pub fn begin_last_pass(&mut self) -> Result<(), WriteError> {
        self.begin_anew(false)
    }

    fn begin_anew(&mut self, in_motion: bool) -> Result<(), WriteError> {
        if !self.output.is_file() {
            return Err(WriteError::NotAFile { what: "an archive in passes" });
        }
        self.slots.get_or_insert_default().begin_pass(in_motion);
        if self.output.place_of_next() > 0 {
            self.output.begin_anew(self.fs_block)?;
        }
        (self.moved, self.members) = (Transferred::default(), 0);
        Ok(())
    }

    /// Brings the data of passes before to its place in the archive, and gives back the space of what is not used. What
    /// is appended later is appended as ever. Without passes there is nothing to do; [`Writer::finish`] does it as well.
    ///
    /// # Errors
    /// [`WriteError::Output`].
    pub fn settle(&mut self) -> Result<(), WriteError> {
        self.slots = None;
        self.moved += self.output.settle(self.fs_block)?;
        Ok(())
    }

    /// Space that [`Writer::settle`] needs for a while, at most, where blocks cannot be taken out of a file.
    pub fn unsettled_bytes(&self) -> u64 {
        self.output.unsettled_bytes()
    }

    pub(super) fn is_in_passes(&self, member: &Member) -> bool {
        self.slots.is_some() && member.size() >= self.fs_block.bytes()
    }

    /// Files with fewer bytes are copied in any case: they are too small to be cloned, or to be kept between passes.
    pub(crate) fn copied_below(&self) -> u64 {
        if self.slots.is_some() { self.fs_block.bytes() } else { CLONE_FROM }
    }

    /// Nothing is remembered of what lies from `place` on.
    pub(super) fn forget_from(&mut self, place: u64) {
        if let Some(slots) = &mut self.slots {
            slots.forget_from(place);
        }
    }

    /// As `append_file`, with the whole blocks from a pass before where that is possible.
    pub(super) fn append_in_passes(&mut self, member: &Member, source: &File) -> Result<(), WriteError> {
        let (size, whole) = (member.size(), self.fs_block.align_down(member.size()));
        let (mut seen, mut slot) = (None, None);
        if let (Some(slots), Some(output)) = (&mut self.slots, self.output.file()) {
            seen = slots.look(source).ok();
            slot = seen.and_then(|seen| slots.find(&seen, whole, source, output));
        }
        self.begin(member)?;
        let is_aligned = self.fs_block.is_aligned(self.output.offset());
        if let (Some((slot, copied)), true) = (slot, is_aligned) {
            self.moved.copied_bytes += copied;
            let start = self.output.offset();
            let before = Transferred { copied_bytes: slot.moved.copied_bytes - copied, ..slot.moved };
            self.output.keep(slot.place, whole, before);
            let tail = self.copy(source, whole, size - whole)?;
            self.output.zeros_until(start + size)?;
            self.output.push(filling(size))?;
            return tail.map_err(|source| data_error(member, source));
        }
        let (place, before) = (self.output.place_of_next(), self.moved);
        self.append_data(member, source, &[Span { source_offset: 0, target_offset: 0, length: size }])?;
        if let (Some(slots), Some(seen), true) = (&mut self.slots, seen, is_aligned) {
            let mut moved = self.moved - before;
            moved.copied_bytes -= size - whole;
            slots.remember(&seen, place, whole, moved);
        }
        Ok(())
    }
}
