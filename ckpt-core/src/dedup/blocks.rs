//! Which blocks of two archives are the same already.

use std::fs::File;
use std::ops::Range;

use aligntar::{Extent, Span, extents_in};
use rustix::io::Errno;

/// Extents that are asked for at once, bytes: a call gives some hundred of them, and small files are many.
const WINDOW: u64 = 16 << 20;

/// The extents of a file around the place where the work is.
pub(super) struct Extents<'f> {
    file: &'f File,
    window: Range<u64>,
    extents: Vec<Extent>,
}

impl<'f> Extents<'f> {
    pub(super) fn of(file: &'f File) -> Self {
        Extents { file, window: 0..0, extents: Vec::new() }
    }

    /// Those that have bytes in `range`, as they were when their window was entered. The first and the last may go
    /// beyond it.
    pub(super) fn in_range(&mut self, range: &Range<u64>) -> Result<&[Extent], Errno> {
        if range.start < self.window.start || range.end > self.window.end {
            self.window = range.start..range.end.max(range.start.saturating_add(WINDOW));
            self.extents.clear();
            extents_in(self.file, self.window.clone(), |extent| self.extents.push(extent))?;
        }
        let first = self.extents.partition_point(|extent| end(extent) <= range.start);
        let behind = self.extents.partition_point(|extent| extent.offset < range.end);
        Ok(&self.extents[first..behind.max(first)])
    }
}

pub(super) fn end(extent: &Extent) -> u64 {
    extent.offset.saturating_add(extent.length)
}

/// A part of a span that lies in one extent of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) span: Span,
    /// The extent.
    pub(super) target: Extent,
}

/// What of `span` takes blocks of its own in the target, and how many bytes have the source's already. Holes of the target
/// take none; those of the source can be had, too.
pub(super) fn not_shared(span: Span, source: &[Extent], target: &[Extent]) -> (Vec<Part>, u64) {
    let (mut parts, mut shared_bytes) = (Vec::new(), 0);
    let span_end = span.target_offset + span.length;
    for extent in target {
        let (mut at, until) = (extent.offset.max(span.target_offset), end(extent).min(span_end));
        while at < until {
            let part = Span {
                source_offset: span.source_offset + (at - span.target_offset),
                target_offset: at,
                length: until - at,
            };
            let (length, place) = lies(part, source);
            if place.is_some() && place == place_of(extent, at) {
                shared_bytes += length;
            } else {
                add(&mut parts, Part { span: Span { length, ..part }, target: *extent });
            }
            at += length;
        }
    }
    (parts, shared_bytes)
}

/// How many bytes of `part` lie in one extent of the source, or in none, and where.
fn lies(part: Span, source: &[Extent]) -> (u64, Option<u64>) {
    let at = part.source_offset;
    let next = source.partition_point(|extent| end(extent) <= at);
    match source.get(next) {
        Some(extent) if extent.offset <= at => ((end(extent) - at).min(part.length), place_of(extent, at)),
        Some(extent) => ((extent.offset - at).min(part.length), None),
        None => (part.length, None),
    }
}

fn place_of(extent: &Extent, at: u64) -> Option<u64> {
    extent.place.map(|place| place + (at - extent.offset))
}

fn add(parts: &mut Vec<Part>, part: Part) {
    match parts.last_mut() {
        Some(last)
            if last.target == part.target && last.span.target_offset + last.span.length == part.span.target_offset =>
        {
            last.span.length += part.span.length;
        }
        _ => parts.push(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(offset: u64, length: u64, place: u64) -> Extent {
        Extent { offset, length, shared: false, place: (place > 0).then_some(place) }
    }

    #[test]
    fn what_has_the_same_place_is_shared_and_the_rest_is_looked_at() {
        let span = Span { source_offset: 100, target_offset: 1000, length: 50 };
        // 10 at the same place, a hole of the source, 10 elsewhere, a hole of the target, and 10 whose place is unknown.
        let source = [extent(90, 20, 500), extent(120, 10, 700), extent(130, 10, 800), extent(140, 10, 0)];
        let target = [extent(1000, 30, 510), extent(1040, 60, 0)];
        let (parts, shared_bytes) = not_shared(span, &source, &target);
        let part = |at: u64, length, target| Part {
            span: Span { source_offset: 100 + at, target_offset: 1000 + at, length },
            target,
        };
        assert_eq!(parts, [part(10, 20, target[0]), part(40, 10, target[1])]);
        assert_eq!(shared_bytes, 10);
    }

    #[test]
    fn extents_are_asked_for_in_windows() {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[1; 8192], 65_536).unwrap();
        let mut extents = Extents::of(&file);
        let mut count = |range: Range<u64>| match extents.in_range(&range) {
            Ok(found) => found.len(),
            Err(errno) => panic!("{errno}"),
        };
        assert_eq!([count(0..4096), count(65_536..69_632), count(69_632..73_728), count(80_000..90_000)], [0, 1, 1, 0]);
    }
}
