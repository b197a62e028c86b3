//! Some of a process's memory, as bytes.

use std::io;
use std::ops::Range;

use super::error::MemoryError;
use super::opened::Memory;
use super::space::{Segment, Source, Space};

/// What is read at a time, in bytes.
const PIECE: u64 = 1 << 20;

impl Memory {
    /// Hands the bytes at `addresses` of a process to `visit`, piece by piece; nothing at all if not all of them are known.
    ///
    /// # Errors
    /// [`MemoryError`]: names the first address that is not mapped, or not in the archive. [`MemoryError::Visit`] is what
    /// `visit` gave.
    pub fn dump(
        &self,
        pid: u32,
        addresses: Range<u64>,
        visit: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), MemoryError> {
        let space = self.space(pid)?;
        let segments = known(&space, addresses)?;
        let mut buffer = Vec::new();
        for segment in segments {
            let mut at = segment.addresses.start;
            while at < segment.addresses.end {
                let end = segment.addresses.end.min(at + PIECE);
                self.read(&segment.cut(&(at..end)), &mut buffer)?;
                visit(&buffer).map_err(MemoryError::Visit)?;
                at = end;
            }
        }
        Ok(())
    }

    /// The bytes at `addresses`, as far as they are known from its beginning on.
    pub(super) fn known_bytes(&self, space: &Space, addresses: Range<u64>) -> Result<Vec<u8>, MemoryError> {
        let (mut bytes, mut piece) = (Vec::new(), Vec::new());
        let mut at = addresses.start;
        for segment in space.within(addresses) {
            if segment.addresses.start != at || !matches!(segment.source, Source::Pages { .. } | Source::Zeros) {
                break;
            }
            self.read(&segment, &mut piece)?;
            bytes.extend_from_slice(&piece);
            at = segment.addresses.end;
        }
        Ok(bytes)
    }

    /// The bytes of a segment that is in the images or zeros, and not long.
    pub(super) fn read(&self, segment: &Segment, buffer: &mut Vec<u8>) -> Result<(), MemoryError> {
        buffer.clear();
        buffer.resize(segment.len() as usize, 0);
        if let Source::Pages { runs, offset } = &segment.source
            && let Some(pages) = &runs.pages
        {
            pages.read_at(buffer, *offset).map_err(|source| self.read_error(source))?;
        }
        Ok(())
    }
}

/// The segments of `addresses`, if there are no gaps between them and their bytes are known.
fn known(space: &Space, addresses: Range<u64>) -> Result<Vec<Segment>, MemoryError> {
    let not_mapped = |address| MemoryError::NotMapped { pid: space.pid, address };
    let (mut at, mut segments) = (addresses.start, Vec::new());
    for segment in space.within(addresses.clone()) {
        let address = segment.addresses.start;
        if address != at {
            return Err(not_mapped(at));
        }
        match segment.source {
            Source::Pages { .. } | Source::Zeros => {}
            Source::File => {
                let file = aligntar::ShownName::new(space.mappings[segment.mapping].kind.name()).to_string();
                return Err(MemoryError::OfFile { address, file });
            }
            Source::Earlier => return Err(MemoryError::Earlier { address }),
            Source::Kernel => return Err(MemoryError::Kernels { address }),
        }
        at = segment.addresses.end;
        segments.push(segment);
    }
    if at == addresses.end { Ok(segments) } else { Err(not_mapped(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::small_checkpoint::{Checkpoint, LIBRARY, PAGE, of_file};

    fn dumped(memory: &Memory, addresses: Range<u64>) -> Result<Vec<u8>, MemoryError> {
        let mut all = Vec::new();
        memory.dump(1, addresses, &mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn bytes_are_those_of_the_pages_and_zeros_between_them() -> anyhow::Result<()> {
        let written = [(11 * PAGE - 2, b"abcd".to_vec()), (15 * PAGE, b"e".to_vec())];
        let memory = Checkpoint::default().with(1, &[[10, 14], [14, 20]], &written).memory()?;
        assert_eq!(dumped(&memory, 11 * PAGE - 1..11 * PAGE + 3)?, b"bcd\0");
        let all = dumped(&memory, 10 * PAGE..20 * PAGE)?;
        assert_eq!(all.len() as u64, 10 * PAGE);
        assert_eq!(all.iter().filter(|&&byte| byte != 0).count(), 5);
        assert_eq!(all[5 * PAGE as usize], b'e');
        Ok(())
    }

    #[test]
    fn bytes_that_are_not_known_are_no_zeros() -> anyhow::Result<()> {
        let memory = Checkpoint::default().with_vmas(1, vec![of_file(10..12)]).memory()?;
        let error = dumped(&memory, 10 * PAGE..10 * PAGE + 4).unwrap_err();
        assert!(matches!(&error, MemoryError::OfFile { address: 0xa000, file } if file == LIBRARY), "{error}");
        for (addresses, missing) in [(9 * PAGE..11 * PAGE, 9 * PAGE), (12 * PAGE..12 * PAGE + 1, 12 * PAGE)] {
            let error = dumped(&memory, addresses).unwrap_err();
            assert!(matches!(error, MemoryError::NotMapped { pid: 1, address } if address == missing), "{error}");
        }
        Ok(())
    }
}
