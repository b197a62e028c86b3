//! The data of one member as a stream.

use std::io::{self, Read};

use crate::entry::Entry;
use crate::source::Source;

/// The data of one member, holes as zeros.
#[derive(Debug)]
pub struct EntryData<'r, S> {
    source: &'r mut S,
    entry: &'r Entry,
    /// In the file, bytes.
    offset: u64,
    /// In the archive, bytes: the data that comes next.
    stored_offset: u64,
    /// Spans of the sparse map that lie before `offset`.
    spans_done: usize,
}

impl<'r, S> EntryData<'r, S> {
    pub(super) fn new(source: &'r mut S, entry: &'r Entry) -> Self {
        EntryData { source, entry, offset: 0, stored_offset: entry.data_offset, spans_done: 0 }
    }

    /// What comes next in the file: whether it is a hole, and up to where it goes.
    fn run(&mut self) -> (bool, u64) {
        let size = self.entry.member.size();
        let Some(spans) = &self.entry.sparse else { return (false, size) };
        while spans.get(self.spans_done).is_some_and(|span| span.offset + span.length <= self.offset) {
            self.spans_done += 1;
        }
        match spans.get(self.spans_done) {
            Some(span) if span.offset <= self.offset => (false, span.offset + span.length),
            Some(span) => (true, span.offset),
            None => (true, size),
        }
    }
}

impl<S: Source> Read for EntryData<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (is_hole, end) = self.run();
        let len = buffer.len().min(usize::try_from(end - self.offset).unwrap_or(usize::MAX));
        if len == 0 {
            // A stream may be past the place where data would be: the reader looked for a header there.
            return Ok(0);
        }
        if is_hole {
            buffer[..len].fill(0);
        } else {
            self.source.read_exact_at(&mut buffer[..len], self.stored_offset)?;
            self.stored_offset += len as u64;
        }
        self.offset += len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::DataSpan;
    use crate::member::{Kind, Member};
    use crate::source::StreamSource;

    #[test]
    fn holes_are_read_as_zeros() {
        let member = Member::new("sparse", Kind::Regular { size: 12 }, 0o644);
        let sparse = Some([(1, 2), (5, 3)].map(|(offset, length)| DataSpan { offset, length }).to_vec());
        let entry = Entry { member, header_offset: 0, data_offset: 4, stored_len: 5, sparse };
        let mut source = StreamSource::new(&b"....abcdefgh"[..]);
        let mut data = Vec::new();
        EntryData::new(&mut source, &entry).read_to_end(&mut data).unwrap();
        assert_eq!(data, b"\0ab\0\0cde\0\0\0\0");
    }

    #[test]
    fn no_data_is_nowhere() {
        let mut source = StreamSource::new(&b"header"[..]);
        source.read_exact_at(&mut [0; 6], 0).unwrap();
        let member = Member::new("fifo", Kind::Fifo, 0o644);
        let entry = Entry { member, header_offset: 0, data_offset: 3, stored_len: 0, sparse: None };
        assert_eq!(EntryData::new(&mut source, &entry).read(&mut [0; 9]).unwrap(), 0);
    }
}
