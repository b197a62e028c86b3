//! Where each byte of a process's memory lies.

use std::ops::Range;
use std::rc::Rc;

use criu_images::{
    MmEntry, VMA_ANON_SHARED, VMA_FILE_PRIVATE, VMA_FILE_SHARED, VMA_MEMFD, VMA_SYSVIPC, VMA_VSYSCALL, VMA_VVAR,
    VmaEntry,
};

use super::error::MemoryError;
use super::mapping::{Kind, Mapping, is_shared, mapping_at, permissions};
use super::names::Names;
use super::page_runs::PageRuns;

/// Linux has no smaller pages.
const SMALLEST_PAGE: u64 = 4096;

/// Segments of one process: some 200 MB. Its own pages have less in 64 MiB of page map, but each mapping of shared memory
/// has all of that memory's anew.
const MOST_SEGMENTS: usize = 4 << 20;

/// A process's memory.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) pid: u32,
    /// In the order of their addresses.
    pub(super) mappings: Vec<Mapping>,
    /// What the mappings consist of, in the same order, without gaps within a mapping.
    pub(super) segments: Vec<Segment>,
}

/// Memory of one source.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) addresses: Range<u64>,
    /// Of the mapping that it belongs to.
    pub(super) mapping: usize,
    pub(super) source: Source,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    /// From `offset` of the image on.
    Pages { runs: Rc<PageRuns>, offset: u64 },
    /// Never written to.
    Zeros,
    /// As on the disk.
    File,
    /// In the archive of an earlier checkpoint.
    Earlier,
    /// The kernel's, in no image.
    Kernel,
}

/// What a mapping is part of: where its pages are, and the address there of its first byte.
pub(super) struct Backing {
    pub(super) runs: Rc<PageRuns>,
    pub(super) start: u64,
}

impl Space {
    /// The memory that `mm` describes; `backing` finds the pages of each mapping.
    pub(super) fn new(
        pid: u32,
        mm: &MmEntry,
        names: &Names,
        mut backing: impl FnMut(&VmaEntry) -> Result<Backing, MemoryError>,
    ) -> Result<Self, MemoryError> {
        let mut space = Space { pid, mappings: Vec::new(), segments: Vec::new() };
        for vma in sorted(pid, mm)? {
            let backing = backing(&vma)?;
            let before = space.segments.len();
            space.fill(&vma, &backing)?;
            let mut mapping = Mapping {
                addresses: vma.start..vma.end,
                permissions: permissions(&vma),
                file_offset: vma.pgoff,
                kind: Kind::of(&vma, mm, names),
                present_bytes: 0,
                earlier_bytes: 0,
            };
            for segment in &space.segments[before..] {
                match segment.source {
                    Source::Pages { .. } => mapping.present_bytes += segment.len(),
                    Source::Earlier => mapping.earlier_bytes += segment.len(),
                    Source::Zeros | Source::File | Source::Kernel => {}
                }
            }
            space.mappings.push(mapping);
        }
        Ok(space)
    }

    /// The segments that `addresses` touches, cut to it.
    pub(super) fn within(&self, addresses: Range<u64>) -> impl Iterator<Item = Segment> {
        let first = self.segments.partition_point(|segment| segment.addresses.end <= addresses.start);
        let until = addresses.end;
        let touched = self.segments[first..].iter().take_while(move |segment| segment.addresses.start < until);
        touched.map(move |segment| segment.cut(&addresses))
    }

    /// The mapping that an address is in.
    pub(super) fn mapping_at(&self, address: u64) -> Option<&Mapping> {
        mapping_at(&self.mappings, address)
    }

    /// Adds the segments of a mapping.
    fn fill(&mut self, vma: &VmaEntry, backing: &Backing) -> Result<(), MemoryError> {
        let mapping = self.mappings.len();
        let mut at = vma.start;
        let push = |segments: &mut Vec<Segment>, addresses: Range<u64>, source| {
            if !addresses.is_empty() {
                segments.push(Segment { addresses, mapping, source });
            }
        };
        let end = backing.start.saturating_add(vma.end - vma.start);
        for run in backing.runs.within(backing.start..end) {
            if self.segments.len() > MOST_SEGMENTS {
                return Err(MemoryError::TooManyPieces { pid: self.pid, limit: MOST_SEGMENTS });
            }
            let place = |address| vma.start + (address - backing.start);
            let addresses = place(run.addresses.start)..place(run.addresses.end);
            push(&mut self.segments, at..addresses.start, background(vma));
            at = addresses.end;
            let source = match run.offset {
                Some(offset) => Source::Pages { runs: Rc::clone(&backing.runs), offset },
                None => Source::Earlier,
            };
            push(&mut self.segments, addresses, source);
        }
        push(&mut self.segments, at..vma.end, background(vma));
        Ok(())
    }
}

impl Segment {
    pub(super) fn len(&self) -> u64 {
        self.addresses.end - self.addresses.start
    }

    pub(super) fn cut(&self, addresses: &Range<u64>) -> Segment {
        let start = self.addresses.start.max(addresses.start);
        let source = match &self.source {
            Source::Pages { runs, offset } => {
                Source::Pages { runs: Rc::clone(runs), offset: offset + (start - self.addresses.start) }
            }
            other => other.clone(),
        };
        Segment { addresses: start..self.addresses.end.min(addresses.end), mapping: self.mapping, source }
    }
}

/// What a mapping's pages are that are in no image.
fn background(vma: &VmaEntry) -> Source {
    if vma.status & (VMA_VSYSCALL | VMA_VVAR) != 0 {
        Source::Kernel
    } else if vma.status & VMA_MEMFD == 0 && vma.status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED) != 0 {
        Source::File
    } else {
        Source::Zeros
    }
}

/// Whether what is written to a mapping is in the page map of shared memory.
pub(super) fn is_of_shared_memory(vma: &VmaEntry) -> bool {
    is_shared(vma) && vma.status & (VMA_ANON_SHARED | VMA_SYSVIPC | VMA_MEMFD) != 0
}

/// The mappings in the order of their addresses, if they can be.
fn sorted(pid: u32, mm: &MmEntry) -> Result<Vec<VmaEntry>, MemoryError> {
    let mut vmas = mm.vmas.clone();
    vmas.sort_by_key(|vma| vma.start);
    let mut last_end = 0;
    for vma in &vmas {
        let is_on_pages = [vma.start, vma.end, vma.pgoff].iter().all(|bytes| bytes.is_multiple_of(SMALLEST_PAGE));
        if !is_on_pages || vma.start < last_end || vma.end <= vma.start {
            return Err(MemoryError::Mapping { pid, address: vma.start });
        }
        last_end = vma.end;
    }
    Ok(vmas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::page_runs::Run;

    const PAGE: u64 = 4096;

    fn vma(pages: Range<u64>, status: u32, flags: u32) -> VmaEntry {
        VmaEntry { start: pages.start * PAGE, end: pages.end * PAGE, status, flags, ..VmaEntry::default() }
    }

    fn runs(runs: &[(Range<u64>, Option<u64>)]) -> Rc<PageRuns> {
        let run = |(pages, offset): &(Range<u64>, Option<u64>)| Run {
            addresses: pages.start * PAGE..pages.end * PAGE,
            offset: offset.map(|offset| offset * PAGE),
        };
        Rc::new(PageRuns { runs: runs.iter().map(run).collect(), pages: None })
    }

    /// Page, pages, and where they are.
    fn shape(space: &Space) -> Vec<(u64, u64, String)> {
        let of = |segment: &Segment| {
            let source = match segment.source {
                Source::Pages { offset, .. } => format!("image {}", offset / PAGE),
                ref other => format!("{other:?}"),
            };
            (segment.addresses.start / PAGE, segment.len() / PAGE, source)
        };
        space.segments.iter().map(of).collect()
    }

    #[test]
    fn what_is_in_no_image_is_zeros_or_the_files() -> anyhow::Result<()> {
        let mm = MmEntry { vmas: vec![vma(30..34, VMA_FILE_PRIVATE, 2), vma(10..20, 0, 0x22)], ..MmEntry::default() };
        let own = runs(&[(12..14, Some(0)), (18..31, Some(2)), (33..34, None)]);
        let space = Space::new(1, &mm, &Names::default(), |vma| Ok(Backing { runs: own.clone(), start: vma.start }))?;
        let expected = [
            (10, 2, "Zeros"),
            (12, 2, "image 0"),
            (14, 4, "Zeros"),
            (18, 2, "image 2"),
            (30, 1, "image 14"),
            (31, 2, "File"),
            (33, 1, "Earlier"),
        ];
        assert_eq!(shape(&space), expected.map(|(at, pages, source)| (at, pages, source.to_owned())));
        let sizes: Vec<_> =
            space.mappings.iter().map(|mapping| (mapping.present_bytes / PAGE, mapping.earlier_bytes / PAGE)).collect();
        assert_eq!(sizes, [(4, 0), (1, 1)]);
        let cut: Vec<_> = space.within(19 * PAGE..31 * PAGE).map(|segment| segment.addresses.start / PAGE).collect();
        assert_eq!(cut, [19, 30]);
        assert!(space.mapping_at(20 * PAGE).is_none() && space.mapping_at(34 * PAGE - 1).is_some());
        Ok(())
    }

    #[test]
    fn shared_memory_is_found_where_it_is_mapped() -> anyhow::Result<()> {
        let mm = MmEntry { vmas: vec![vma(100..103, VMA_MEMFD, 1)], ..MmEntry::default() };
        let shared = runs(&[(6..7, Some(0)), (8..20, Some(1))]);
        let space = Space::new(1, &mm, &Names::default(), |_| Ok(Backing { runs: shared.clone(), start: 6 * PAGE }))?;
        let expected = [(100, 1, "image 0"), (101, 1, "Zeros"), (102, 1, "image 1")];
        assert_eq!(shape(&space), expected.map(|(at, pages, source)| (at, pages, source.to_owned())));
        Ok(())
    }

    #[test]
    fn more_pieces_than_any_process_has_are_refused() {
        let count = 3000;
        let shared: Vec<_> = (0..count).map(|page| (2 * page..2 * page + 1, None)).collect();
        let shared = runs(&shared);
        let vmas = (0..count).map(|number| vma(2 * number * count..2 * (number + 1) * count, VMA_ANON_SHARED, 1));
        let mm = MmEntry { vmas: vmas.collect(), ..MmEntry::default() };
        let space = Space::new(1, &mm, &Names::default(), |_| Ok(Backing { runs: shared.clone(), start: 0 }));
        assert!(matches!(space, Err(MemoryError::TooManyPieces { pid: 1, .. })));
    }

    #[test]
    fn mappings_that_cannot_be_are_refused() {
        let own = runs(&[]);
        for (name, vmas) in [
            ("on one another", vec![vma(10..20, 0, 2), vma(19..21, 0, 2)]),
            ("backwards", vec![VmaEntry { start: 8192, end: 4096, ..VmaEntry::default() }]),
            ("empty", vec![vma(10..10, 0, 2)]),
            ("on no page", vec![VmaEntry { start: 4096, end: 8191, ..VmaEntry::default() }]),
        ] {
            let mm = MmEntry { vmas, ..MmEntry::default() };
            let space =
                Space::new(1, &mm, &Names::default(), |vma| Ok(Backing { runs: own.clone(), start: vma.start }));
            assert!(matches!(space, Err(MemoryError::Mapping { pid: 1, .. })), "{name}");
        }
    }
}
