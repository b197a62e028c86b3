//! A range of data, in the source and in the target.

/// A range of a source file and where it goes in a target file; all in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte in the source.
    pub source_offset: u64,
    /// First byte in the target.
    pub target_offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Span {
    /// `length` bytes of it, behind the first `skip`.
    pub fn part(self, skip: u64, length: u64) -> Span {
        Span { source_offset: self.source_offset + skip, target_offset: self.target_offset + skip, length }
    }
}
