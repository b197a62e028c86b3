//! Memory that may be equal: that of one task at one address. One page more shifts all behind it in the image of pages, so
//! places in the images say nothing.

use std::ops::Range;
use std::sync::Arc;

use aligntar::Span;
use criu_images::{Image, ImageError, PageMap};

use super::contents::{Contents, Piece};
use super::error::DedupError;
use super::opened::Opened;
use super::plan::Spans;

/// CRIU, `criu/image-desc.c`: the page maps of shared memory; the number is that of the memory in the dump.
const SHARED: &str = "pagemap-shmem-";
/// All page maps.
const ALL: &str = "pagemap-";

/// Adds the pages that both archives have of a task, or of shared memory, at the same address.
pub(super) fn add(
    source: &Opened<'_>,
    source_contents: &Contents,
    target: &Opened<'_>,
    target_contents: &Contents,
    spans: &mut Spans,
) -> Result<(), DedupError> {
    for (source_name, target_name) in same_memory(source_contents, target_contents) {
        let source_map = Placed::read(source, source_contents, source_name)?;
        let target_map = Placed::read(target, target_contents, target_name)?;
        join(source_map.pages(), target_map.pages(), spans)?;
    }
    Ok(())
}

/// The names of page maps that are of the same memory.
fn same_memory<'c>(source: &'c Contents, target: &'c Contents) -> Vec<(&'c str, &'c str)> {
    let (same, other): (Vec<&str>, Vec<&str>) = maps(target).partition(|name| source.images.contains_key(*name));
    let mut pairs: Vec<(&str, &str)> = same.into_iter().map(|name| (name, name)).collect();
    // Restored memory has another number, though most often a higher one than what was made before it.
    let source_left = sorted(maps(source).filter(|name| !target.images.contains_key(*name)));
    pairs.extend(source_left.into_iter().zip(sorted(other.into_iter())));
    pairs
}

fn maps(contents: &Contents) -> impl Iterator<Item = &str> {
    contents.images.keys().map(String::as_str).filter(|name| name.starts_with(ALL))
}

/// Those of shared memory by number.
fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let number = |name: &str| name.strip_prefix(SHARED)?.strip_suffix(".img")?.parse::<u64>().ok();
    let mut shared: Vec<(u64, &str)> = names.filter_map(|name| Some((number(name)?, name))).collect();
    shared.sort_unstable();
    shared.into_iter().map(|(_, name)| name).collect()
}

/// A page map, and where its pages lie in the archive.
struct Placed<'o> {
    archive: &'o Opened<'o>,
    map: PageMap,
    image: Option<Piece>,
}

/// Pages one after the other, and where the first of them lies in the archive.
type PlacedPages = (Range<u64>, u64);

impl<'o> Placed<'o> {
    fn read(archive: &'o Opened<'o>, contents: &Contents, name: &str) -> Result<Self, DedupError> {
        let Piece { offset, length } = contents.images[name];
        let file = archive.file.try_clone().map_err(|source| crate::archive::ArchiveError::Io {
            call: "open",
            path: archive.path.to_owned(),
            source,
        })?;
        let map = PageMap::read(name, &Image::new(Arc::new(file), offset, length));
        let map = map.map_err(|source| of(archive, source))?;
        let image = contents.images.get(&map.pages_name()).copied();
        Ok(Placed { archive, map, image })
    }

    /// Those that are in this archive.
    fn pages(&self) -> impl Iterator<Item = Result<PlacedPages, DedupError>> {
        self.map.pages().filter_map(|pages| match pages {
            Err(source) => Some(Err(of(self.archive, source))),
            Ok(pages) => {
                let image = self.image?;
                let (start, offset) = (pages.addresses.start, pages.offset?);
                let there = image.length.checked_sub(offset)?;
                let end = pages.addresses.end.min(start.saturating_add(there));
                Some(Ok((start..end, image.offset + offset)))
            }
        })
    }
}

fn of(archive: &Opened<'_>, source: ImageError) -> DedupError {
    DedupError::Image { path: archive.path.to_owned(), source }
}

/// Adds what both have at the same address. Both rise.
fn join<E>(
    mut source: impl Iterator<Item = Result<PlacedPages, E>>,
    mut target: impl Iterator<Item = Result<PlacedPages, E>>,
    spans: &mut Spans,
) -> Result<(), E> {
    let (mut one, mut other) = (source.next().transpose()?, target.next().transpose()?);
    while let (Some((source_pages, source_offset)), Some((target_pages, target_offset))) = (&one, &other) {
        let start = source_pages.start.max(target_pages.start);
        let end = source_pages.end.min(target_pages.end);
        if start < end {
            spans.push(Span {
                source_offset: source_offset + (start - source_pages.start),
                target_offset: target_offset + (start - target_pages.start),
                length: end - start,
            });
        }
        if source_pages.end <= target_pages.end {
            one = source.next().transpose()?;
        } else {
            other = target.next().transpose()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn joined(source: &[PlacedPages], target: &[PlacedPages]) -> Vec<Span> {
        let mut spans = Spans::default();
        let [source, target] = [source, target].map(|pages| pages.iter().cloned().map(Ok::<_, Infallible>));
        join(source, target, &mut spans).unwrap();
        spans.into_vec()
    }

    fn span(source_offset: u64, target_offset: u64, length: u64) -> Span {
        Span { source_offset, target_offset, length }
    }

    #[test]
    fn pages_are_matched_by_address_and_not_by_place() {
        // The target has a page more at the beginning, and one less in the middle.
        let source = [(10..20, 1000), (40..50, 1010)];
        let target = [(5..6, 2000), (10..14, 2001), (15..20, 2005), (45..60, 2010)];
        assert_eq!(joined(&source, &target), [span(1000, 2001, 4), span(1005, 2005, 5), span(1015, 2010, 5)]);
    }

    #[test]
    fn what_lies_together_in_both_is_one_span_whatever_its_addresses() {
        let pages = |at| [(10..20, at), (40..50, at + 10), (50..51, at + 20)];
        assert_eq!(joined(&pages(1000), &pages(3000)), [span(1000, 3000, 21)]);
    }

    #[test]
    fn shared_memory_that_was_restored_is_matched_in_its_order() {
        let contents = |names: &[&str]| {
            let piece = Piece { offset: 0, length: 0 };
            Contents { images: names.iter().map(|name| ((*name).to_owned(), piece)).collect(), ..Contents::default() }
        };
        let source = contents(&["pagemap-1.img", "pagemap-3.img", "pagemap-shmem-9.img", "pagemap-shmem-10.img"]);
        let target = contents(&["pagemap-1.img", "pagemap-4.img", "pagemap-shmem-100.img", "pagemap-shmem-99.img"]);
        let expected = [
            ("pagemap-1.img", "pagemap-1.img"),
            ("pagemap-shmem-9.img", "pagemap-shmem-99.img"),
            ("pagemap-shmem-10.img", "pagemap-shmem-100.img"),
        ];
        assert_eq!(same_memory(&source, &target), expected);
    }

    /// Page runs that rise, from gaps and lengths; images in which they lie one behind the other.
    fn pages(shape: &[(u64, u64)], image: u64) -> Vec<PlacedPages> {
        let (mut address, mut at) = (0, image);
        let place = |&(gap, length): &(u64, u64)| {
            let pages = (address + gap..address + gap + length, at);
            (address, at) = (pages.0.end, at + length);
            pages
        };
        shape.iter().map(place).collect()
    }

    proptest! {
        #[test]
        fn each_address_that_both_have_is_in_one_span(
            source in prop::collection::vec((0..4u64, 1..6u64), 0..12),
            target in prop::collection::vec((0..4u64, 1..6u64), 0..12),
        ) {
            let (source, target) = (pages(&source, 1000), pages(&target, 5000));
            let place = |pages: &[PlacedPages], address: u64| {
                let found = pages.iter().find(|(addresses, _)| addresses.contains(&address));
                found.map(|(addresses, at)| at + address - addresses.start)
            };
            let both = |address| Some((place(&source, address)?, place(&target, address)?));
            let expected: Vec<(u64, u64)> = (0..200).filter_map(both).collect();
            let spans = joined(&source, &target);
            let found: Vec<(u64, u64)> = spans.iter()
                .flat_map(|span| (0..span.length).map(|at| (span.source_offset + at, span.target_offset + at)))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
