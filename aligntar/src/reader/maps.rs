//! Finds the map of a sparse member, and checks it.

use super::blocks::Blocks;
use super::error::ReadError;
use crate::align::Block;
use crate::align::TAR_BLOCK;
use crate::entry::DataSpan;
use crate::pax::SparseRecords;
use crate::shown::lossy;
use crate::source::Source;
use crate::sparse::lines::MapLines;
use crate::sparse::old::OldMap;
use crate::sparse::{SparseError, checked};

/// Size of a sparse file and where its data belongs; `None` if it is not sparse.
pub(super) type SizeAndMap = Option<(u64, Vec<DataSpan>)>;

/// Why there is no map: the archive cannot be read, or it makes no sense.
pub(super) enum MapFailure {
    Read(ReadError),
    Sparse(SparseError),
}

impl From<ReadError> for MapFailure {
    fn from(error: ReadError) -> Self {
        MapFailure::Read(error)
    }
}

impl From<SparseError> for MapFailure {
    fn from(error: SparseError) -> Self {
        MapFailure::Sparse(error)
    }
}

impl MapFailure {
    /// The error for the member `path` at `offset`.
    pub(super) fn of(self, offset: u64, path: &[u8]) -> ReadError {
        match self {
            MapFailure::Read(error) => error,
            MapFailure::Sparse(source) => ReadError::Sparse { offset, path: lossy(path), source },
        }
    }
}

/// Size and map of a typeflag `S` member, whose header was read last; steps over its extension blocks.
pub(super) fn old_map(blocks: &mut Blocks<impl Source>, stored_len: u64, limit: u64) -> Result<SizeAndMap, MapFailure> {
    let mut map = OldMap::begin(&blocks.block, limit)?;
    while map.is_extended {
        map.extend(map_block(blocks)?)?;
    }
    Ok(Some((map.real_size, checked(map.spans, map.real_size, stored_len)?)))
}

/// Size and map of a member with `GNU.sparse.*` records; steps over a map in the data, which does not count as stored
/// then.
pub(super) fn pax_map(
    blocks: &mut Blocks<impl Source>,
    records: SparseRecords,
    stored_len: &mut u64,
    limit: u64,
) -> Result<SizeAndMap, MapFailure> {
    let spans = match records.version {
        (0, _) => records.map,
        (1, 0) => Some(map_lines(blocks, stored_len, limit)?),
        version => return Err(SparseError::Version(version).into()),
    };
    let spans = match (spans, records.real_size) {
        (Some(spans), _) => spans,
        // A file that is one hole needs no map.
        (None, Some(size)) if size != *stored_len && *stored_len == 0 => Vec::new(),
        (None, Some(size)) if size != *stored_len => return Err(SparseError::NoMap.into()),
        (None, _) => return Ok(None),
    };
    if spans.len() as u64 > limit {
        return Err(SparseError::TooManySpans { limit }.into());
    }
    let size = records.real_size.unwrap_or(*stored_len);
    Ok(Some((size, checked(spans, size, *stored_len)?)))
}

fn map_lines(blocks: &mut Blocks<impl Source>, stored_len: &mut u64, limit: u64) -> Result<Vec<DataSpan>, MapFailure> {
    let mut map = MapLines::default();
    loop {
        *stored_len = stored_len.checked_sub(TAR_BLOCK).ok_or(SparseError::Cut)?;
        if map.feed(map_block(blocks)?, limit)? {
            return Ok(map.spans);
        }
    }
}

fn map_block<S: Source>(blocks: &mut Blocks<S>) -> Result<&Block, ReadError> {
    let offset = blocks.next;
    blocks.advance()?.ok_or(ReadError::Truncated { offset })
}
