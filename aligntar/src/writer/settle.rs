//! Makes one archive of what lies in the output: what was written last, and what earlier passes left in front of it.
//!
//! ```text
//! passes before                 base: the last pass      end
//! headers A headers old B headers │ headers' headers' new C │
//!         ─                 ─       └──────┐
//!         A stays           B stays        ▼
//! headers' A headers' B new C
//! ```
//!
//! Data that stays in order is not moved: blocks are inserted or taken out in front of it (FALLOC_FL_INSERT_RANGE,
//! FALLOC_FL_COLLAPSE_RANGE of fallocate(2)), then the rest is copied between. Where the file system has no such calls,
//! that data is moved as well.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::align::Alignment;
use crate::sys;
use crate::transfer::{Span, Transferred, first_segment};

/// Bytes that are copied at once.
const CHUNK: u64 = 1 << 20;

/// Whole blocks of the archive that lie elsewhere in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// In the archive.
    pub(super) offset: u64,
    /// In the file.
    pub(super) place: u64,
    pub(super) length: u64,
    pub(super) moved: Transferred,
}

/// Brings the `kept` ones, in the order of the archive, and what was written from `base` on to their offsets, and cuts
/// the file to `end`, the length of the archive.
pub(super) fn settle(file: &File, base: u64, kept: &[Kept], end: u64, block: Alignment) -> io::Result<()> {
    let mut layout = Layout { file, block, pieces: pieces(base, kept, end) };
    layout.take_aside()?;
    if !layout.resize_gaps()? {
        layout.move_all()?;
    }
    layout.fill_gaps()?;
    layout.append_rest()?;
    file.set_len(end)
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// In the archive.
    offset: u64,
    /// In the file now.
    place: u64,
    length: u64,
    /// Whether it keeps its order with the others that stay.
    stays: bool,
    /// Whether it lies among those that stay.
    is_kept: bool,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// All of the archive, in its order.
fn pieces(base: u64, kept: &[Kept], end: u64) -> Vec<Piece> {
    let stay = heaviest_in_order(kept);
    let (mut pieces, mut offset, mut place) = (Vec::with_capacity(2 * kept.len() + 1), 0, base);
    let mut written_until = |pieces: &mut Vec<Piece>, next: u64, behind: u64| {
        if next > offset {
            pieces.push(Piece { offset, place, length: next - offset, stays: false, is_kept: false });
            place += next - offset;
        }
        offset = behind;
    };
    for (kept, stays) in kept.iter().zip(stay) {
        let Kept { offset, place, length, .. } = *kept;
        written_until(&mut pieces, offset, offset + length);
        pieces.push(Piece { offset, place, length, stays, is_kept: true });
    }
    written_until(&mut pieces, end, end);
    pieces
}

/// Which of them can stay: those with the most bytes whose places are in their order.
fn heaviest_in_order(kept: &[Kept]) -> Vec<bool> {
    // By the place of the last one: the bytes of the heaviest such row, and which is its last. Both grow together.
    let mut rows: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    let mut before = vec![None; kept.len()];
    for (index, Kept { place, length, .. }) in kept.iter().enumerate() {
        let row = rows.range(..place).next_back().map(|(_, row)| *row);
        let bytes = row.map_or(0, |(bytes, _)| bytes) + length;
        before[index] = row.map(|(_, last)| last);
        while let Some((&lighter, _)) = rows.range(place..).next().filter(|(_, (other, _))| *other <= bytes) {
            rows.remove(&lighter);
        }
        rows.insert(*place, (bytes, index));
    }
    let mut stay = vec![false; kept.len()];
    let mut next = rows.last_key_value().map(|(_, (_, last))| *last);
    while let Some(index) = next {
        stay[index] = true;
        next = before[index];
    }
    stay
}

struct Layout<'f> {
    file: &'f File,
    block: Alignment,
    pieces: Vec<Piece>,
}

impl Layout<'_> {
    /// Copies what lies among the pieces that stay, and does not stay, behind everything: gaps are to be resized.
    fn take_aside(&mut self) -> io::Result<()> {
        let mut behind = self.end_of_file()?;
        for index in 0..self.pieces.len() {
            let piece = self.pieces[index];
            if piece.is_kept && !piece.stays {
                self.carry(piece.place, behind, piece.length)?;
                self.pieces[index].place = behind;
                behind += piece.length;
            }
        }
        Ok(())
    }

    /// Brings the pieces that stay to their offsets by inserting blocks, or taking them out, in the gap in front of each;
    /// `false` if the file system does not do that, which may show half-way.
    fn resize_gaps(&mut self) -> io::Result<bool> {
        let mut shift = 0_i64;
        let mut is_done = true;
        for piece in self.pieces.iter_mut().filter(|piece| piece.stays) {
            piece.place = piece.place.wrapping_add_signed(shift);
            if is_done && piece.place != piece.offset {
                is_done = resize(self.file, piece.place, piece.offset)?;
                if is_done {
                    shift += piece.offset.wrapping_sub(piece.place).cast_signed();
                    piece.place = piece.offset;
                }
            }
        }
        self.pieces.iter_mut().filter(|piece| !piece.stays).for_each(|piece| {
            piece.place = piece.place.wrapping_add_signed(shift);
        });
        Ok(is_done)
    }

    /// The same by moving the pieces, with all others out of their way.
    fn move_all(&mut self) -> io::Result<()> {
        let end = self.pieces.last().map_or(0, Piece::end);
        let mut behind = self.end_of_file()?.max(self.block.align_up(end).ok_or(io::ErrorKind::FileTooLarge)?);
        for index in 0..self.pieces.len() {
            let piece = self.pieces[index];
            if !piece.stays {
                self.carry(piece.place, behind, piece.length)?;
                self.pieces[index].place = behind;
                behind += piece.length;
            }
        }
        let stay = |piece: &&Piece| piece.stays;
        // Those that go back make room for those that follow, and the reverse.
        for piece in self.pieces.iter().rev().filter(stay).filter(|piece| piece.offset > piece.place) {
            self.carry(piece.place, piece.offset, piece.length)?;
        }
        for piece in self.pieces.iter().filter(stay).filter(|piece| piece.offset < piece.place) {
            self.carry(piece.place, piece.offset, piece.length)?;
        }
        Ok(())
    }

    /// How many pieces there are up to the last that stays.
    fn count_of_settled(&self) -> usize {
        self.pieces.iter().rposition(|piece| piece.stays).map_or(0, |last| last + 1)
    }

    fn fill_gaps(&self) -> io::Result<()> {
        let settled = &self.pieces[..self.count_of_settled()];
        settled
            .iter()
            .filter(|piece| !piece.stays)
            .try_for_each(|Piece { place, offset, length, .. }| self.carry(*place, *offset, *length))
    }

    /// Brings what is behind the last piece that stays to its offset. As one piece it only loses what is in front of it.
    fn append_rest(&self) -> io::Result<()> {
        let (settled, rest) = self.pieces.split_at(self.count_of_settled());
        let (offset, end) = (settled.last().map_or(0, Piece::end), rest.last().map_or(0, Piece::end));
        let place = match rest {
            [] => return Ok(()),
            [piece] => piece.place,
            _ => self.join(rest)?,
        };
        if place == offset || resize(self.file, place, offset)? {
            return Ok(());
        }
        self.carry(place, offset, end - offset)
    }

    /// Copies pieces behind everything, one behind the other; gives the place.
    fn join(&self, pieces: &[Piece]) -> io::Result<u64> {
        let start = self.end_of_file()?;
        let mut behind = start;
        for piece in pieces {
            self.carry(piece.place, behind, piece.length)?;
            behind += piece.length;
        }
        Ok(start)
    }

    /// A block boundary.
    fn end_of_file(&self) -> io::Result<u64> {
        let end = self.file.metadata()?.len();
        Ok(self.block.align_up(end).ok_or(io::ErrorKind::FileTooLarge)?)
    }

    /// Copies `length` bytes within the file, also to where some of them lie; by clone where that can be.
    fn carry(&self, from: u64, to: u64, length: u64) -> io::Result<()> {
        let can_clone = [from, to, length].iter().all(|&number| self.block.is_aligned(number)) && length > 0;
        if from == to || can_clone && self.clone(from, to, length)? {
            return Ok(());
        }
        let mut parts = self.parts(from, length)?;
        if to > from {
            parts.reverse();
        }
        let mut buffer = vec![0; CHUNK.min(length) as usize];
        for Part { start, length, is_hole } in parts {
            let (bytes, to) = (&mut buffer[..length.min(CHUNK) as usize], start - from + to);
            if is_hole {
                self.make_hole(to, length, bytes)?;
            } else {
                self.file.read_exact_at(bytes, start)?;
                self.file.write_all_at(bytes, to)?;
            }
        }
        Ok(())
    }

    /// Holes, and data in chunks.
    fn parts(&self, from: u64, length: u64) -> io::Result<Vec<Part>> {
        let (mut parts, mut start, end) = (Vec::new(), from, from + length);
        while start < end {
            let rest = Span { source_offset: start, target_offset: 0, length: end - start };
            let (segment, is_hole) = first_segment(self.file, rest)?;
            let length = if is_hole { segment.length } else { segment.length.min(CHUNK) };
            parts.push(Part { start, length, is_hole });
            start += length;
        }
        Ok(parts)
    }

    /// Whether blocks can be shared. A range cannot be cloned onto itself, so one that is goes round by the file's end.
    fn clone(&self, from: u64, to: u64, length: u64) -> io::Result<bool> {
        let clone = |from, to| sys::clone_range(self.file, from, length, self.file, to).is_ok();
        if from.abs_diff(to) >= length {
            return Ok(clone(from, to));
        }
        let aside = self.end_of_file()?.max(to + length);
        Ok(clone(from, aside) && clone(aside, to))
    }

    /// Zeros, where the file system cannot take blocks out of a file. `bytes` may be overwritten.
    fn make_hole(&self, place: u64, length: u64, bytes: &mut [u8]) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if fallocate(self.file, flags, place, length).is_ok() {
            return Ok(());
        }
        bytes.fill(0);
        let mut done = 0;
        while done < length {
            let part = &bytes[..bytes.len().min((length - done) as usize)];
            self.file.write_all_at(part, place + done)?;
            done += part.len() as u64;
        }
        Ok(())
    }
}

/// A part of what is carried.
struct Part {
    /// In the file.
    start: u64,
    length: u64,
    is_hole: bool,
}

/// Brings what lies at `place` of the file, and all behind it, to `offset`, without moving a byte; `false` if the file
/// system cannot do that.
fn resize(file: &File, place: u64, offset: u64) -> io::Result<bool> {
    let resized = if offset > place {
        fallocate(file, FallocateFlags::INSERT_RANGE, place, offset - place)
    } else {
        fallocate(file, FallocateFlags::COLLAPSE_RANGE, offset, place - offset)
    };
    match resized {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
