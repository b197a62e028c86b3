//! Maps of sparse members: which ranges of the file the stored data belongs to. GNU tar wrote them in four ways.
//!
//! | format | where the map is | read by |
//! |---|---|---|
//! | old GNU, star | in a header of typeflag `S` and blocks behind it | [`old`] |
//! | pax 0.0, 0.1 | in `GNU.sparse.*` records | [`crate::pax`] |
//! | pax 1.0 | in decimal lines before the data | [`lines`] |
//!
//! See the manual of GNU tar, "Storing Sparse Files".

pub(crate) mod lines;
pub(crate) mod old;

use crate::entry::DataSpan;

/// Why the map of a sparse member cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SparseError {
    /// Something stands where a number should.
    #[error("its map has something else where a number should be")]
    Number,
    /// A range that starts before the end of the one before.
    #[error("its map goes back to byte {offset}: ranges overlap, or are not in order")]
    Overlap {
        /// Where the range starts in the file.
        offset: u64,
    },
    /// A range that ends behind the file.
    #[error("its map has data at byte {offset}, behind its size of {size} bytes")]
    BehindEnd {
        /// Where the range starts in the file.
        offset: u64,
        /// Size of the file in bytes.
        size: u64,
    },
    /// A size over 2^63 - 1 bytes.
    #[error("its size of {size} bytes is more than a file can have")]
    TooLarge {
        /// What the archive says.
        size: u64,
    },
    /// More data than the archive holds for the member.
    #[error("its map has more data than the {stored_len} bytes that are stored")]
    MoreThanStored {
        /// Bytes in the archive.
        stored_len: u64,
    },
    /// Data that is not the whole file, and no map.
    #[error("it has no map, and not all of its data")]
    NoMap,
    /// The map goes past the member's data.
    #[error("its map goes past its data")]
    Cut,
    /// A version of the pax format that does not exist yet.
    #[error("format {}.{} is not known", .0.0, .0.1)]
    Version((u64, u64)),
    /// More ranges than [`crate::Limits::sparse_spans`].
    #[error("its map has more than {limit} ranges, which is the limit")]
    TooManySpans {
        /// The limit.
        limit: u64,
    },
}

/// Checks `spans` as the map of a file of `size` bytes, of which `stored_len` are in the archive. Empty ranges, which
/// show where the file ends, are left out. Data stored beyond the map is not part of the file, as in GNU tar.
pub(crate) fn checked(spans: Vec<DataSpan>, size: u64, stored_len: u64) -> Result<Vec<DataSpan>, SparseError> {
    if i64::try_from(size).is_err() {
        return Err(SparseError::TooLarge { size });
    }
    let (mut end, mut mapped) = (0, 0u64);
    for &DataSpan { offset, length } in &spans {
        if offset < end {
            return Err(SparseError::Overlap { offset });
        }
        end = offset.checked_add(length).filter(|&end| end <= size).ok_or(SparseError::BehindEnd { offset, size })?;
        // No overflow: ranges without overlap add up to no more than the size.
        mapped += length;
    }
    if mapped > stored_len {
        return Err(SparseError::MoreThanStored { stored_len });
    }
    Ok(spans.into_iter().filter(|span| span.length > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(spans: &[(u64, u64)]) -> Vec<DataSpan> {
        spans.iter().map(|&(offset, length)| DataSpan { offset, length }).collect()
    }

    #[test]
    fn maps_must_rise_and_fit() {
        type Case<'a> = (&'a [(u64, u64)], Result<usize, SparseError>);
        let cases: [Case<'_>; 8] = [
            (&[], Ok(0)),
            (&[(0, 5), (5, 5), (90, 10), (100, 0)], Ok(3)),
            (&[(10, 5), (14, 1)], Err(SparseError::Overlap { offset: 14 })),
            (&[(10, 5), (0, 5)], Err(SparseError::Overlap { offset: 0 })),
            (&[(96, 5)], Err(SparseError::BehindEnd { offset: 96, size: 100 })),
            (&[(101, 0)], Err(SparseError::BehindEnd { offset: 101, size: 100 })),
            (&[(1, u64::MAX)], Err(SparseError::BehindEnd { offset: 1, size: 100 })),
            (&[(0, 21)], Err(SparseError::MoreThanStored { stored_len: 20 })),
        ];
        for (spans, expected) in cases {
            assert_eq!(checked(map(spans), 100, 20).map(|spans| spans.len()), expected, "{spans:?}");
        }
    }
}
