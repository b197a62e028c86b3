//! The map of a typeflag `S` member: four ranges in its header, 21 in each extension block behind it.
//!
//! | | GNU tar (`struct oldgnu_header`) | star (`struct star_in_header`) |
//! |---|---|---|
//! | ranges of 12 + 12 bytes | 386 to 482 | 356 to 452 |
//! | flag: an extension block follows | 482 | 355 |
//! | size of the file, 12 bytes | 483 | 452 |
//!
//! In an extension block the ranges are first and the flag is at 504, in both. See GNU tar's tar.h.

use std::ops::Range;

use super::SparseError;
use crate::align::Block;
use crate::entry::DataSpan;
use crate::parse::number;

/// Bytes of one range.
const RANGE: usize = 24;

struct Layout {
    ranges: Range<usize>,
    is_extended: usize,
    real_size: Range<usize>,
}

const GNU: Layout = Layout { ranges: 386..482, is_extended: 482, real_size: 483..495 };
const STAR: Layout = Layout { ranges: 356..452, is_extended: 355, real_size: 452..464 };
const EXTENSION_RANGES: Range<usize> = 0..504;
const EXTENSION_IS_EXTENDED: usize = 504;

/// A map while its blocks are read.
pub(crate) struct OldMap {
    pub(crate) spans: Vec<DataSpan>,
    /// Size of the file in bytes.
    pub(crate) real_size: u64,
    /// Whether one more extension block follows.
    pub(crate) is_extended: bool,
    /// Ranges read so far, unused ones too: what the limit is for.
    seen: u64,
    limit: u64,
}

impl OldMap {
    /// The beginning of a map of at most `limit` ranges, in the member's header.
    pub(crate) fn begin(header: &Block, limit: u64) -> Result<Self, SparseError> {
        // star writes a POSIX magic, GNU its own.
        let layout = if &header[257..263] == b"ustar\0" { STAR } else { GNU };
        let real_size = unsigned(&header[layout.real_size])?;
        let mut map = OldMap { spans: Vec::new(), real_size, is_extended: false, seen: 0, limit };
        map.take(&header[layout.ranges])?;
        map.is_extended = header[layout.is_extended] != 0;
        Ok(map)
    }

    /// The next extension block.
    pub(crate) fn extend(&mut self, block: &Block) -> Result<(), SparseError> {
        self.take(&block[EXTENSION_RANGES])?;
        self.is_extended = block[EXTENSION_IS_EXTENDED] != 0;
        Ok(())
    }

    /// Ranges up to the first whose length is empty.
    fn take(&mut self, ranges: &[u8]) -> Result<(), SparseError> {
        self.seen += (ranges.len() / RANGE) as u64;
        for range in ranges.chunks_exact(RANGE).take_while(|range| range[12] != 0) {
            self.spans.push(DataSpan { offset: unsigned(&range[..12])?, length: unsigned(&range[12..])? });
        }
        match self.seen > self.limit {
            true => Err(SparseError::TooManySpans { limit: self.limit }),
            false => Ok(()),
        }
    }
}

fn unsigned(field: &[u8]) -> Result<u64, SparseError> {
    number(field).and_then(|value| u64::try_from(value).ok()).ok_or(SparseError::Number)
}
