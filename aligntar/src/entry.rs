//! One member of an archive, and where it lies.

use crate::member::Member;
use crate::transfer::Span;

/// One member, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the headers say.
    pub member: Member,
    /// Offset of the first header block that belongs to it, extended headers included.
    pub header_offset: u64,
    /// Offset of its data.
    pub data_offset: u64,
    /// Bytes of data that follow there, without the filling to a tar block: the size of a regular file unless it is
    /// sparse. Some archives have data behind links and directories as well; it is stepped over.
    pub stored_len: u64,
    /// Where the data belongs in a sparse file, rising and without overlap; what lies between is holes. The spans
    /// follow each other from `data_offset` on. `None`: the data is the file as it is.
    pub sparse: Option<Vec<DataSpan>>,
}

/// A range of a sparse file that has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSpan {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Entry {
    /// Where the data lies in the archive and where it belongs in the file, from the first byte to the last.
    pub fn data_spans(&self) -> impl Iterator<Item = Span> {
        let whole = self.sparse.is_none().then_some(DataSpan { offset: 0, length: self.member.size() });
        let spans = whole.into_iter().chain(self.sparse.iter().flatten().copied());
        let mut source_offset = self.data_offset;
        spans.map(move |DataSpan { offset, length }| {
            let span = Span { source_offset, target_offset: offset, length };
            source_offset += length;
            span
        })
    }
}
