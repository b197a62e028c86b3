//! What differs in the memory of two checkpoints.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use rustix::param::page_size;

use super::error::MemoryError;
use super::mapping::Mapping;
use super::opened::Memory;
use super::space::{Segment, Source, Space};

/// What is compared at a time, in bytes.
const PIECE: u64 = 1 << 20;

/// The mappings in which the memory of two checkpoints differs, by process and address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Those that differ.
    pub mappings: Vec<MappingDifference>,
    /// Processes that both have.
    pub processes: u64,
    /// Pages that were looked at in both.
    pub compared_pages: u64,
}

/// How a mapping of the newer checkpoint differs; of the older one, if the newer one has nothing there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingDifference {
    /// Of this process.
    pub pid: u32,
    /// Whether the older checkpoint has something there, and the newer one.
    pub is_in: [bool; 2],
    /// As it is in the newer checkpoint if it is there.
    pub mapping: Mapping,
    /// Pages that both have, with other bytes.
    pub changed_pages: u64,
    /// Pages that only the newer one has mapped and written to.
    pub added_pages: u64,
    /// Pages that only the older one has mapped and written to.
    pub removed_pages: u64,
    /// Pages that one of them does not know, as they are in an earlier checkpoint.
    pub unknown_pages: u64,
}

impl MappingDifference {
    fn new(pid: u32, mapping: &Mapping, is_in: [bool; 2]) -> Self {
        MappingDifference {
            pid,
            is_in,
            mapping: mapping.clone(),
            changed_pages: 0,
            added_pages: 0,
            removed_pages: 0,
            unknown_pages: 0,
        }
    }

    fn differs(&self) -> bool {
        self.changed_pages + self.added_pages + self.removed_pages + self.unknown_pages > 0 || self.is_in != [true; 2]
    }
}

impl Memory {
    /// What differs in the memory of `newer`. Processes are the same that have the same ID.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn compare(&self, newer: &Memory) -> Result<Comparison, MemoryError> {
        let mut comparison = Comparison::default();
        let mut pids: Vec<u32> = self.processes().into_iter().chain(newer.processes()).collect();
        pids.sort_unstable();
        pids.dedup();
        let [in_older, in_newer] = [self.processes(), newer.processes()];
        let mut equal = EqualPages::default();
        for pid in pids {
            let spaces = [(self, &in_older), (newer, &in_newer)]
                .map(|(memory, there)| there.contains(&pid).then(|| memory.space(pid)).transpose());
            match spaces {
                [Err(error), _] | [_, Err(error)] => return Err(error),
                [Ok(Some(older_space)), Ok(Some(newer_space))] => {
                    comparison.processes += 1;
                    let mut spaces = Spaces::new([self, newer], [&older_space, &newer_space], &mut equal);
                    spaces.walk()?;
                    comparison.compared_pages += spaces.compared_pages;
                    comparison.mappings.extend(spaces.differences());
                }
                [Ok(older_space), Ok(newer_space)] => {
                    comparison.mappings.extend(older_space.iter().flat_map(|space| alone(space, [true, false])));
                    comparison.mappings.extend(newer_space.iter().flat_map(|space| alone(space, [false, true])));
                }
            }
        }
        Ok(comparison)
    }
}

/// The mappings of a process that only one checkpoint has.
fn alone(space: &Space, is_in: [bool; 2]) -> impl Iterator<Item = MappingDifference> {
    space.mappings.iter().map(move |mapping| {
        let mut difference = MappingDifference::new(space.pid, mapping, is_in);
        let pages = (mapping.present_bytes + mapping.earlier_bytes) / page_size() as u64;
        if is_in[1] {
            difference.added_pages = pages;
        } else {
            difference.removed_pages = pages;
        }
        difference
    })
}

/// How many pages differ in two places of images: many processes may have the same ones.
type EqualPages = BTreeMap<[u64; 5], u64>;

/// A process in two checkpoints.
struct Spaces<'s> {
    memories: [&'s Memory; 2],
    spaces: [&'s Space; 2],
    /// By mapping of the newer one.
    newer: Vec<MappingDifference>,
    /// By mapping of the older one; they count if the newer one has nothing there.
    older: Vec<MappingDifference>,
    /// The mapping of the newer one that begins to lie where one of the older one is.
    counterparts: Vec<Option<usize>>,
    equal: &'s mut EqualPages,
    compared_pages: u64,
    page: u64,
}

impl<'s> Spaces<'s> {
    fn new(memories: [&'s Memory; 2], spaces: [&'s Space; 2], equal: &'s mut EqualPages) -> Self {
        let differences = |space: &Space, is_in| {
            let new = |mapping| MappingDifference::new(space.pid, mapping, is_in);
            space.mappings.iter().map(new).collect::<Vec<_>>()
        };
        Spaces {
            memories,
            spaces,
            newer: differences(spaces[1], [false, true]),
            older: differences(spaces[0], [true, false]),
            counterparts: vec![None; spaces[0].mappings.len()],
            equal,
            compared_pages: 0,
            page: page_size() as u64,
        }
    }

    /// Looks at each address that one of them has.
    fn walk(&mut self) -> Result<(), MemoryError> {
        let [mut older, mut newer] = self.spaces.map(|space| space.segments.iter().peekable());
        let mut at = 0;
        loop {
            let next = [older.peek(), newer.peek()].map(|segment| segment.map(|segment| (*segment).clone()));
            match &next {
                [None, None] => return Ok(()),
                [Some(segment), other]
                    if other.as_ref().is_none_or(|other| starts(segment, at) < starts(other, at)) =>
                {
                    let until = other.as_ref().map_or(u64::MAX, |other| starts(other, at));
                    let end = segment.addresses.end.min(until);
                    let pages = self.written(segment, starts(segment, at)..end);
                    self.older[segment.mapping].removed_pages += pages;
                    at = end;
                }
                [other, Some(segment)]
                    if other.as_ref().is_none_or(|other| starts(segment, at) < starts(other, at)) =>
                {
                    let until = other.as_ref().map_or(u64::MAX, |other| starts(other, at));
                    let end = segment.addresses.end.min(until);
                    let pages = self.written(segment, starts(segment, at)..end);
                    self.newer[segment.mapping].added_pages += pages;
                    at = end;
                }
                [Some(one), Some(other)] => {
                    let end = one.addresses.end.min(other.addresses.end);
                    self.both(one, other, starts(one, at)..end)?;
                    at = end;
                }
                // The first two cases have them all.
                [Some(_), None] | [None, Some(_)] => return Ok(()),
            }
            while older.next_if(|segment| segment.addresses.end <= at).is_some() {}
            while newer.next_if(|segment| segment.addresses.end <= at).is_some() {}
        }
    }

    /// The pages of a segment's part that were written to.
    fn written(&self, segment: &Segment, addresses: Range<u64>) -> u64 {
        match segment.source {
            Source::Pages { .. } | Source::Earlier => (addresses.end - addresses.start) / self.page,
            Source::Zeros | Source::File | Source::Kernel => 0,
        }
    }

    /// What both have mapped.
    fn both(&mut self, one: &Segment, other: &Segment, addresses: Range<u64>) -> Result<(), MemoryError> {
        self.counterparts[one.mapping].get_or_insert(other.mapping);
        let pages = (addresses.end - addresses.start) / self.page;
        self.newer[other.mapping].is_in[0] = true;
        self.older[one.mapping].is_in[1] = true;
        let is_one_file = || {
            let [older, newer] = [&self.older[one.mapping].mapping, &self.newer[other.mapping].mapping];
            let place = |mapping: &Mapping| mapping.file_offset.wrapping_sub(mapping.addresses.start);
            older.kind == newer.kind && place(older) == place(newer)
        };
        let changed = match (&one.source, &other.source) {
            (Source::Earlier, _) | (_, Source::Earlier) => {
                self.newer[other.mapping].unknown_pages += pages;
                return Ok(());
            }
            (Source::Zeros, Source::Zeros) | (Source::Kernel, Source::Kernel) => 0,
            (Source::File, Source::File) if is_one_file() => 0,
            (Source::Pages { .. } | Source::Zeros, Source::Pages { .. } | Source::Zeros) => {
                self.compared_pages += pages;
                self.differing([&one.cut(&addresses), &other.cut(&addresses)])?
            }
            _ => pages,
        };
        self.newer[other.mapping].changed_pages += changed;
        Ok(())
    }

    /// How many pages differ in two segments of one length.
    fn differing(&mut self, segments: [&Segment; 2]) -> Result<u64, MemoryError> {
        let [one, other] = segments.map(place);
        let key = [one.0, one.1, other.0, other.1, segments[0].len()];
        if let Some(&known) = self.equal.get(&key) {
            return Ok(known);
        }
        let (mut count, mut buffers) = (0, [Vec::new(), Vec::new()]);
        let mut at = segments[0].addresses.start;
        while at < segments[0].addresses.end {
            let end = segments[0].addresses.end.min(at + PIECE);
            for side in 0..2 {
                self.memories[side].read(&segments[side].cut(&(at..end)), &mut buffers[side])?;
            }
            if buffers[0] != buffers[1] {
                let pages = buffers.each_ref().map(|buffer| buffer.chunks(self.page as usize));
                let [one, other] = pages;
                count += one.zip(other).filter(|(one, other)| one != other).count() as u64;
            }
            at = end;
        }
        // A process's own pages come once.
        if self.spaces.iter().any(|space| is_shared(space, segments[0].addresses.start)) {
            self.equal.insert(key, count);
        }
        Ok(count)
    }

    /// The mappings that differ, by address.
    fn differences(mut self) -> impl Iterator<Item = MappingDifference> + use<> {
        for (at, older) in self.older.iter().enumerate() {
            if let Some(counterpart) = self.counterparts[at] {
                self.newer[counterpart].removed_pages += older.removed_pages;
            }
        }
        let gone = self.older.into_iter().filter(|older| older.is_in == [true, false]);
        let mut all: Vec<MappingDifference> = self.newer.into_iter().chain(gone).collect();
        all.sort_by_key(|difference| difference.mapping.addresses.start);
        all.into_iter().filter(MappingDifference::differs)
    }
}

fn starts(segment: &Segment, at: u64) -> u64 {
    segment.addresses.start.max(at)
}

/// Where a segment's bytes are, to tell it from others.
fn place(segment: &Segment) -> (u64, u64) {
    match &segment.source {
        Source::Pages { runs, offset } => (Rc::as_ptr(runs) as u64, *offset),
        _ => (0, 0),
    }
}

fn is_shared(space: &Space, address: u64) -> bool {
    space.mapping_at(address).is_some_and(|mapping| mapping.permissions.ends_with('s'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::small_checkpoint::{Checkpoint, PAGE, of_file, of_shared_memory};

    /// Process, first page, changed, added and removed pages.
    fn told(older: Checkpoint, newer: Checkpoint) -> anyhow::Result<Vec<(u32, u64, [u64; 3])>> {
        let comparison = older.memory()?.compare(&newer.memory()?)?;
        let of = |one: &MappingDifference| {
            let pages = [one.changed_pages, one.added_pages, one.removed_pages];
            (one.pid, one.mapping.addresses.start / PAGE, pages)
        };
        Ok(comparison.mappings.iter().map(of).collect())
    }

    fn pages(first: u64, texts: &[&str]) -> Vec<(u64, Vec<u8>)> {
        let page = |(at, text): (usize, &&str)| ((first + at as u64) * PAGE, text.as_bytes().to_vec());
        texts.iter().enumerate().map(page).collect()
    }

    #[test]
    fn only_the_page_that_changed_is_told() -> anyhow::Result<()> {
        let of = |texts: &[&str]| Checkpoint::default().with(1, &[[10, 20], [30, 40]], &pages(10, texts));
        assert_eq!(told(of(&["a", "b", "c"]), of(&["a", "x", "c"]))?, [(1, 10, [1, 0, 0])]);
        assert_eq!(told(of(&["a", "b", "c"]), of(&["a", "b", "c"]))?, []);
        // A page that was never written to is one of zeros.
        assert_eq!(told(of(&["a"]), of(&["a", "", "c"]))?, [(1, 10, [1, 0, 0])]);
        Ok(())
    }

    #[test]
    fn memory_that_came_and_went_is_counted_as_far_as_it_was_written_to() -> anyhow::Result<()> {
        let older =
            Checkpoint::default().with(1, &[[10, 12], [50, 60]], &[pages(10, &["a"]), pages(50, &["b", "c"])].concat());
        let newer = Checkpoint::default().with(1, &[[10, 30]], &pages(10, &["a", "", "new"]));
        assert_eq!(told(older, newer)?, [(1, 10, [0, 1, 0]), (1, 50, [0, 0, 2])]);
        Ok(())
    }

    #[test]
    fn processes_that_only_one_has_are_told_with_all_they_have() -> anyhow::Result<()> {
        let one = || Checkpoint::default().with(1, &[[10, 20]], &[]);
        let two = one().with(2, &[[10, 20]], &pages(10, &["a"]));
        assert_eq!(told(one(), two)?, [(2, 10, [0, 1, 0])]);
        Ok(())
    }

    #[test]
    fn files_are_equal_until_they_are_written_to() -> anyhow::Result<()> {
        let of = |written: &[(u64, Vec<u8>)]| {
            let mut checkpoint = Checkpoint::default().with_vmas(1, vec![of_file(10..12)]);
            checkpoint.add_map("pagemap-1.img", written);
            checkpoint
        };
        assert_eq!(told(of(&[]), of(&[]))?, []);
        assert_eq!(told(of(&[]), of(&pages(11, &["x"])))?, [(1, 10, [1, 0, 0])]);
        Ok(())
    }

    #[test]
    fn shared_memory_has_changed_for_each_process() -> anyhow::Result<()> {
        let of = |text| {
            let vmas = |pages| vec![of_shared_memory(pages, 9, 0)];
            let mut checkpoint = Checkpoint::default().with_vmas(1, vmas(10..12)).with_vmas(2, vmas(30..32));
            checkpoint.add_map("pagemap-shmem-9.img", &pages(0, &[text, "same"]));
            checkpoint
        };
        assert_eq!(told(of("a"), of("b"))?, [(1, 10, [1, 0, 0]), (2, 30, [1, 0, 0])]);
        Ok(())
    }
}
