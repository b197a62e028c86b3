//! What is to be compared: whole blocks, in the order of the target, each of its blocks once.

use aligntar::{Alignment, Span};

/// Spans of two archives; they take 96 MiB. A page map has one for each gap that is only in one of the two: more than
/// that stays as it is.
const SPANS: usize = 1 << 22;

/// Bytes of two archives that may be equal, as they come.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Adds a span, to the last one if it goes on in both archives.
    pub(super) fn push(&mut self, span: Span) {
        let is_full = self.0.len() >= SPANS;
        match self.0.last_mut() {
            Some(last) if is_next(*last, span) => last.length += span.length,
            _ if is_full => {}
            _ => self.0.push(span),
        }
    }

    #[cfg(test)]
    pub(super) fn into_vec(self) -> Vec<Span> {
        self.0
    }
}

fn is_next(last: Span, span: Span) -> bool {
    last.source_offset.checked_add(last.length) == Some(span.source_offset)
        && last.target_offset.checked_add(last.length) == Some(span.target_offset)
}

/// Whole blocks of both archives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Rising in the target, without overlap.
    pub(super) spans: Vec<Span>,
    /// What does not lie on blocks in the same way in both.
    pub(super) off_blocks_bytes: u64,
}

impl Plan {
    /// `spans` as far as they are in archives of these lengths, and on blocks in both. What an archive maps twice is
    /// looked at once, so no archive costs more than its own length.
    pub(super) fn new(spans: Spans, block: Alignment, source_len: u64, target_len: u64) -> Self {
        let mut all = spans.0;
        all.sort_unstable_by_key(|span| (span.target_offset, span.length));
        let (mut spans, mut off_blocks_bytes, mut done) = (Spans::default(), 0, 0);
        for span in all {
            let Some(span) = behind(within(span, source_len, target_len), done) else { continue };
            match on_blocks(span, block) {
                Some(span) => {
                    done = span.target_offset + span.length;
                    spans.push(span);
                }
                None if !is_alike(span, block) => off_blocks_bytes += span.length,
                None => {}
            }
        }
        Plan { spans: spans.0, off_blocks_bytes }
    }

    /// Bytes of all spans.
    pub(super) fn bytes(&self) -> u64 {
        self.spans.iter().map(|span| span.length).sum()
    }
}

/// What of it is in the archives.
fn within(span: Span, source_len: u64, target_len: u64) -> Span {
    let left = |len: u64, offset: u64| len.saturating_sub(offset);
    let length = span.length.min(left(source_len, span.source_offset)).min(left(target_len, span.target_offset));
    Span { length, ..span }
}

/// What of it begins at `offset` of the target or behind that; `None` if nothing does.
fn behind(span: Span, offset: u64) -> Option<Span> {
    let skip = offset.saturating_sub(span.target_offset);
    let length = span.length.checked_sub(skip).filter(|length| *length > 0)?;
    Some(span.part(skip, length))
}

/// Whether whole blocks of the one can be whole blocks of the other.
fn is_alike(span: Span, block: Alignment) -> bool {
    block.is_aligned(span.source_offset.abs_diff(span.target_offset))
}

/// Its whole blocks; `None` if it has none that are whole in both.
fn on_blocks(span: Span, block: Alignment) -> Option<Span> {
    let start = block.align_up(span.target_offset)?;
    let skip = start - span.target_offset;
    let length = span.length.checked_sub(skip)? / block.bytes() * block.bytes();
    (length > 0 && is_alike(span, block)).then(|| span.part(skip, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(source_offset: u64, target_offset: u64, length: u64) -> Span {
        Span { source_offset, target_offset, length }
    }

    fn plan(spans: &[Span]) -> Plan {
        let mut all = Spans::default();
        spans.iter().for_each(|span| all.push(*span));
        Plan::new(all, Alignment::new(512).unwrap(), 10_240, 20_480)
    }

    #[test]
    fn whole_blocks_are_left_where_both_lie_alike() {
        type Case = (&'static str, Span, &'static [Span], u64);
        let cases: [Case; 7] = [
            ("on blocks", span(512, 1024, 1024), &[Span { source_offset: 512, target_offset: 1024, length: 1024 }], 0),
            ("alike", span(100, 612, 1100), &[Span { source_offset: 512, target_offset: 1024, length: 512 }], 0),
            ("not alike", span(0, 1025, 2048), &[], 2048),
            ("too small", span(100, 612, 900), &[], 0),
            ("beyond the source", span(10_240, 0, 512), &[], 0),
            (
                "cut off",
                span(8704, 19_968, 1 << 40),
                &[Span { source_offset: 8704, target_offset: 19_968, length: 512 }],
                0,
            ),
            ("nowhere", span(u64::MAX - 5, u64::MAX - 5, u64::MAX), &[], 0),
        ];
        for (name, span, spans, off_blocks_bytes) in cases {
            assert_eq!(plan(&[span]), Plan { spans: spans.to_vec(), off_blocks_bytes }, "{name}");
        }
    }

    #[test]
    fn each_block_of_the_target_is_looked_at_once() {
        let thrice = [span(0, 2048, 2048), span(512, 1024, 2048), span(4096, 1024, 2048), span(0, 0, 512)];
        let expected = [span(0, 0, 512), span(512, 1024, 2048), span(1024, 3072, 1024)];
        assert_eq!(plan(&thrice).spans, expected);
    }
}
