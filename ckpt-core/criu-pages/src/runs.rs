//! Which addresses wait for which bytes of the images.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where bytes lie in the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Place in the list of page images.
    pub(crate) image: u32,
    /// First byte in that image.
    pub(crate) offset: u64,
    /// Whether a child that is forked finds zeros there instead (MADV_WIPEONFORK, madvise(2)).
    pub(crate) wiped_on_fork: bool,
}

impl Source {
    fn plus(self, bytes: u64) -> Self {
        Self { offset: self.offset + bytes, ..self }
    }
}

/// Addresses one after the other whose bytes lie one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) source: Source,
}

impl Run {
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// The part of it in `range`, unless that is empty.
    pub(crate) fn cut(&self, range: &Range<u64>) -> Option<Self> {
        let (start, end) = (self.start.max(range.start), self.end.min(range.end));
        (start < end).then(|| Self { start, end, source: self.source.plus(start - self.start) })
    }
}

/// Runs that do not overlap, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    by_start: BTreeMap<u64, (u64, Source)>,
    bytes: u64,
}

impl Runs {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// How many addresses there are.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> {
        self.by_start.iter().map(|(&start, &(end, source))| Run { start, end, source })
    }

    /// The run that has `address`.
    pub(crate) fn at(&self, address: u64) -> Option<Run> {
        let (&start, &(end, source)) = self.by_start.range(..=address).next_back()?;
        (address < end).then_some(Run { start, end, source })
    }

    /// What has `address` or comes after it, from `address` on.
    pub(crate) fn from(&self, address: u64) -> impl Iterator<Item = Run> {
        let first = self.at(address).and_then(|run| run.cut(&(address..u64::MAX)));
        let after = address.saturating_add(1);
        first.into_iter().chain(self.by_start.range(after..).map(|(&start, &(end, source))| Run { start, end, source }))
    }

    /// Has these addresses wait for these bytes, and for no others.
    pub(crate) fn insert(&mut self, run: Run) {
        self.remove(run.start..run.end);
        if run.start < run.end {
            self.bytes += run.len();
            self.by_start.insert(run.start, (run.end, run.source));
        }
    }

    /// Takes these addresses out; gives what they waited for.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Vec<Run> {
        if range.is_empty() {
            return Vec::new();
        }
        let before = self.by_start.range(..range.start).next_back().filter(|(_, (end, _))| *end > range.start);
        let touched: Vec<Run> = before
            .into_iter()
            .chain(self.by_start.range(range.clone()))
            .map(|(&start, &(end, source))| Run { start, end, source })
            .collect();
        for run in &touched {
            self.by_start.remove(&run.start);
            let rests = [run.cut(&(0..range.start)), run.cut(&(range.end..u64::MAX))];
            self.by_start.extend(rests.into_iter().flatten().map(|rest| (rest.start, (rest.end, rest.source))));
        }
        let removed: Vec<Run> = touched.iter().filter_map(|run| run.cut(&range)).collect();
        self.bytes -= removed.iter().map(Run::len).sum::<u64>();
        removed
    }

    /// Has what waits in `from` wait at `to`, in the place of what waited there (mremap(2)).
    pub(crate) fn move_range(&mut self, from: Range<u64>, to: u64) {
        let moved = self.remove(from.clone());
        self.remove(to..to.saturating_add(from.end - from.start));
        for run in moved {
            let start = to.saturating_add(run.start - from.start);
            self.insert(Run { start, end: start.saturating_add(run.len()), source: run.source });
        }
    }
}

impl FromIterator<Run> for Runs {
    fn from_iter<T: IntoIterator<Item = Run>>(runs: T) -> Self {
        let mut collected = Self::default();
        runs.into_iter().for_each(|run| collected.insert(run));
        collected
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(start: u64, end: u64, offset: u64) -> Run {
        Run { start, end, source: Source { image: 0, offset, wiped_on_fork: false } }
    }

    #[derive(Clone, Debug)]
    enum Change {
        Insert(Run),
        Remove(Range<u64>),
        Move(Range<u64>, u64),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let range = || (0..60u64, 0..20u64).prop_map(|(start, length)| start..start + length);
        prop::collection::vec(
            prop_oneof![
                (range(), 0..1000u64).prop_map(|(range, offset)| Change::Insert(run(range.start, range.end, offset))),
                range().prop_map(Change::Remove),
                (range(), 0..60u64).prop_map(|(from, to)| Change::Move(from, to)),
            ],
            0..40,
        )
    }

    /// The same by address: what is meant, in the plainest way.
    fn apply_plainly(bytes: &mut BTreeMap<u64, u64>, change: &Change) {
        match change {
            Change::Insert(run) => {
                bytes.extend((run.start..run.end).map(|at| (at, run.source.offset + at - run.start)));
            }
            Change::Remove(range) => bytes.retain(|at, _| !range.contains(at)),
            Change::Move(from, to) => {
                let moved: Vec<(u64, u64)> =
                    from.clone().filter_map(|at| Some((to + at - from.start, bytes.remove(&at)?))).collect();
                bytes.retain(|at, _| !(*to..to + (from.end - from.start)).contains(at));
                bytes.extend(moved);
            }
        }
    }

    proptest! {
        #[test]
        fn runs_are_what_each_address_waits_for(changes in changes()) {
            let (mut runs, mut bytes) = (Runs::default(), BTreeMap::new());
            for change in &changes {
                apply_plainly(&mut bytes, change);
                match change {
                    Change::Insert(run) => runs.insert(*run),
                    Change::Remove(range) => drop(runs.remove(range.clone())),
                    Change::Move(from, to) => runs.move_range(from.clone(), *to),
                }
                let all: BTreeMap<u64, u64> =
                    runs.iter().flat_map(|run| (run.start..run.end).map(move |at| (at, run.source.offset + at - run.start))).collect();
                prop_assert_eq!(&all, &bytes);
                prop_assert_eq!(runs.bytes(), bytes.len() as u64);
                for at in 0..100 {
                    prop_assert_eq!(runs.at(at).is_some(), bytes.contains_key(&at));
                    let next = runs.from(at).next().map(|run| run.start);
                    prop_assert_eq!(next, bytes.range(at..).next().map(|(&at, _)| at));
                }
            }
        }
    }
}
