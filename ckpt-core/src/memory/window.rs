//! Memory that goes by in pieces, and what is found in it as if it were one.

use std::ops::Range;

/// How far what is looked for may reach beyond a piece, and what is looked at in front of it, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) behind: usize,
    pub(super) before: usize,
}

/// Places of matches in a stretch of memory that is seen in pieces.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Where the next match may begin, counted as the pieces are.
    next: u64,
}

impl Stretch {
    /// One that begins at `start`.
    pub(super) fn new(start: u64) -> Self {
        Stretch { next: start }
    }

    /// Finds what begins in `piece`, which lies at `at` and holds what was kept of the one before. If more of the stretch
    /// follows, what begins in its last bytes is left to the next piece. `find` gives the first match from a place on.
    ///
    /// Gives from where on the bytes are needed again.
    pub(super) fn look<E>(
        &mut self,
        at: u64,
        piece: &[u8],
        has_more: bool,
        reach: Reach,
        find: impl Fn(&[u8], usize) -> Option<Range<usize>>,
        mut found: impl FnMut(Range<u64>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let kept = if has_more { reach.behind.min(piece.len()) } else { 0 };
        let limit = piece.len() - kept;
        let mut from = self.next.saturating_sub(at) as usize;
        while from < limit {
            let Some(place) = find(piece, from).filter(|place| place.start < limit) else { break };
            if place.is_empty() {
                from = place.end + 1;
                continue;
            }
            from = place.end;
            found(at + place.start as u64..at + place.end as u64)?;
        }
        self.next = self.next.max(at + limit.max(from.min(piece.len())) as u64);
        let needed = at + limit.saturating_sub(reach.before) as u64;
        Ok(if has_more { needed } else { at + piece.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use memchr::memmem;
    use proptest::prelude::*;

    use super::*;

    /// All matches in `bytes`, seen in pieces of these lengths.
    fn in_pieces(
        bytes: &[u8],
        lengths: &[usize],
        reach: Reach,
        find: impl Fn(&[u8], usize) -> Option<Range<usize>>,
    ) -> Vec<Range<u64>> {
        let (mut stretch, mut all) = (Stretch::new(0), Vec::new());
        let (mut from, mut end, mut lengths) = (0, 0, lengths.iter().cycle());
        while end < bytes.len() {
            end = bytes.len().min(end + lengths.next().expect("there are some"));
            let has_more = end < bytes.len();
            let needed = stretch.look(from as u64, &bytes[from..end], has_more, reach, &find, |place| {
                all.push(place);
                Ok::<_, Infallible>(())
            });
            from = needed.expect("nothing fails") as usize;
        }
        all
    }

    proptest! {
        #[test]
        fn text_is_found_wherever_pieces_end(
            bytes in prop::collection::vec(b'a'..b'c', 0..200),
            needle in prop::collection::vec(b'a'..b'c', 1..5),
            lengths in prop::collection::vec(1usize..20, 1..8),
        ) {
            let find = |bytes: &[u8], from: usize| {
                memmem::find(&bytes[from..], &needle).map(|at| from + at..from + at + needle.len())
            };
            let reach = Reach { behind: needle.len() - 1, before: 0 };
            let expected: Vec<_> =
                memmem::find_iter(&bytes, &needle).map(|at| at as u64..(at + needle.len()) as u64).collect();
            prop_assert_eq!(in_pieces(&bytes, &lengths, reach, find), expected);
        }

        #[test]
        fn patterns_are_found_wherever_pieces_end(
            bytes in prop::collection::vec(prop::sample::select(&b"ab 1"[..]), 0..200),
            pattern in prop::sample::select(&["a{1,3}b", r"\b[ab]{2}\b", "a|ab|b1", "1?a"][..]),
            lengths in prop::collection::vec(1usize..20, 1..8),
        ) {
            let regex = regex::bytes::Regex::new(pattern).expect("it is one");
            let find = |bytes: &[u8], from: usize| regex.find_at(bytes, from).map(|found| found.range());
            let expected: Vec<_> =
                regex.find_iter(&bytes).map(|found| found.start() as u64..found.end() as u64).collect();
            prop_assert_eq!(in_pieces(&bytes, &lengths, Reach { behind: 5, before: 4 }, find), expected);
        }
    }
}
