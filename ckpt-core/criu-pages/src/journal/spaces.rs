//! All address spaces as words, to be kept beside a half of the journal.

use crate::runs::{Run, Source};
use crate::space::Space;

use super::record::Spaces;

/// Each address space: descriptor, four lists of runs; a range is a run without source.
pub(super) fn encode(spaces: &Spaces) -> Vec<u64> {
    let mut words = Vec::new();
    let list = |runs: &mut dyn Iterator<Item = Run>, words: &mut Vec<u64>| {
        let count = words.len();
        words.push(0);
        for run in runs {
            let image = u64::from(run.source.image) << 1 | u64::from(run.source.wiped_on_fork);
            words.extend([run.start, run.end, image, run.source.offset]);
            words[count] += 1;
        }
    };
    for (uffd, space) in spaces {
        words.push(u64::from(uffd.cast_unsigned()));
        let sourceless = |range: &std::ops::Range<u64>| Run {
            start: range.start,
            end: range.end,
            source: Source { image: 0, offset: 0, wiped_on_fork: false },
        };
        list(&mut space.waiting.iter(), &mut words);
        list(&mut space.unmapped.iter(), &mut words);
        list(&mut space.doubtful.iter(), &mut words);
        list(&mut space.vacated.iter().map(sourceless), &mut words);
        list(&mut space.filled.iter().map(sourceless), &mut words);
    }
    words
}

pub(super) fn decode(words: &[u64]) -> Option<Spaces> {
    let mut words = words.iter().copied();
    let mut spaces = Spaces::new();
    while let Some(uffd) = words.next() {
        let mut list = || -> Option<Vec<Run>> {
            let count = words.next()?;
            (0..count)
                .map(|_| {
                    let (start, end, image, offset) = (words.next()?, words.next()?, words.next()?, words.next()?);
                    let source = Source { image: (image >> 1) as u32, offset, wiped_on_fork: image & 1 != 0 };
                    Some(Run { start, end, source })
                })
                .collect()
        };
        let ranges = |runs: Vec<Run>| runs.into_iter().map(|run| run.start..run.end).collect();
        let space = Space {
            waiting: list()?.into_iter().collect(),
            unmapped: list()?.into_iter().collect(),
            doubtful: list()?.into_iter().collect(),
            vacated: ranges(list()?),
            filled: ranges(list()?),
        };
        spaces.insert(i32::try_from(uffd).ok()?, space);
    }
    Some(spaces)
}
