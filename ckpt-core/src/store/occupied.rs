//! The space that archives take on the disk, where files share blocks.

use std::collections::BTreeMap;
use std::fs::File;

use aligntar::extents;
use rustix::io::Errno;

/// Bytes that only `archive` refers to: what its removal gives back. `None` where the file system does not say.
pub(crate) fn occupied_alone(archive: &File) -> Option<u64> {
    let mut alone = 0;
    let told = extents(archive, |extent| alone += if extent.shared { 0 } else { extent.length });
    told.ok().map(|()| alone)
}

/// Blocks of a file system, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    /// Ends by beginnings; they do not touch one another.
    runs: BTreeMap<u64, u64>,
    bytes: u64,
    unknown_bytes: u64,
}

impl Blocks {
    /// How many bytes they are.
    pub(crate) fn bytes(&self) -> u64 {
        self.unknown_bytes + self.bytes
    }

    /// Adds those of `archive`.
    pub(crate) fn add(&mut self, archive: &File) -> Result<(), Errno> {
        extents(archive, |extent| match extent.place {
            Some(place) => self.add_run(place, place.saturating_add(extent.length)),
            None => self.unknown_bytes += extent.length,
        })
    }

    /// Adds some of which nobody knows where they lie.
    pub(crate) fn add_unknown(&mut self, bytes: u64) {
        self.unknown_bytes += bytes;
    }

    fn add_run(&mut self, mut from: u64, mut to: u64) {
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (&start, &end) in self.runs.range(..=to).rev().take_while(|&(_, &end)| end >= from) {
            joined.push((start, end));
        }
        for (start, end) in joined {
            self.runs.remove(&start);
            self.bytes -= end - start;
            (from, to) = (from.min(start), to.max(end));
        }
        self.bytes += to - from;
        self.runs.insert(from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_counts_once() {
        let mut blocks = Blocks::default();
        for (from, to, bytes) in [
            (100, 200, 100),
            (100, 200, 100),
            (300, 400, 200),
            (150, 160, 200),
            (200, 250, 250),
            (90, 310, 310),
            (0, 10, 320),
            (400, 410, 330),
        ] {
            blocks.add_run(from, to);
            assert_eq!(blocks.bytes(), bytes, "after {from}..{to}: {:?}", blocks.runs);
        }
    }
}
