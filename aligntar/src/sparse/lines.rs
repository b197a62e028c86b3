//! The map of pax format 1.0: the count of ranges, then offset and length of each, a decimal number a line, filled with
//! zeros to a tar block. The data follows.

use super::SparseError;
use crate::entry::DataSpan;

/// A map while its blocks are read.
#[derive(Default)]
pub(crate) struct MapLines {
    /// Numbers still to come; `None` before the first line, which tells.
    expected: Option<u64>,
    /// The line being read.
    number: Option<u64>,
    /// The offset whose length is next.
    offset: Option<u64>,
    pub(crate) spans: Vec<DataSpan>,
}

impl MapLines {
    /// Reads a block; whether the map ended in it.
    pub(crate) fn feed(&mut self, block: &[u8], limit: u64) -> Result<bool, SparseError> {
        for &byte in block {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    let number = self.number.unwrap_or(0).checked_mul(10).and_then(|ten| ten.checked_add(digit));
                    self.number = Some(number.ok_or(SparseError::Number)?);
                }
                b'\n' => self.line(limit)?,
                _ => return Err(SparseError::Number),
            }
            if self.expected == Some(0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn line(&mut self, limit: u64) -> Result<(), SparseError> {
        let number = self.number.take().ok_or(SparseError::Number)?;
        let Some(expected) = self.expected else {
            if number > limit {
                return Err(SparseError::TooManySpans { limit });
            }
            self.expected = Some(number.checked_mul(2).ok_or(SparseError::Number)?);
            return Ok(());
        };
        match self.offset.take() {
            None => self.offset = Some(number),
            Some(offset) => self.spans.push(DataSpan { offset, length: number }),
        }
        self.expected = Some(expected - 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_cross_blocks() {
        let mut map = MapLines::default();
        assert_eq!(map.feed(b"2\n0\n10\n40", 9), Ok(false));
        assert_eq!(map.feed(b"96\n5\n\0\0\0", 9), Ok(true));
        assert_eq!(map.spans, [(0, 10), (4096, 5)].map(|(offset, length)| DataSpan { offset, length }));
    }

    #[test]
    fn broken_maps_are_refused() {
        let too_many = SparseError::TooManySpans { limit: 9 };
        let cases: [(&[u8], SparseError); 6] = [
            (b"\n", SparseError::Number),
            (b"1\n-1\n2\n", SparseError::Number),
            (b"1\n\n2\n", SparseError::Number),
            (b"\0", SparseError::Number),
            (b"99999999999999999999\n", SparseError::Number),
            (b"10\n", too_many),
        ];
        for (bytes, expected) in cases {
            assert_eq!(MapLines::default().feed(bytes, 9), Err(expected), "{bytes:?}");
        }
    }
}
