//! One address space: which of its pages are still to come, while the process changes it.
//!
//! The kernel tells of changes in the order in which threads queue their events, and that need not be the order in
//! which they made the changes: a thread unmaps, and queues its event after it has let go of the address space
//! (`__vm_munmap`, mm/vma.c). Two things follow:
//!
//! - mremap(2) tells of the move first and of the end of the old place after it. In between, another thread may have
//!   moved something to the old place; [`Space::change`] knows that the second event is no news.
//! - What is unmapped by one thread while another moves something there, or forks, may be told in the wrong order. Such
//!   addresses are [doubtful](Space::is_doubtful): they come to nothing unless a thread waits for one of them, and then
//!   no answer is known to be right.
//!
//! The kernel refuses pages (EAGAIN) as long as a change is under way. So whoever has put one knows that all changes
//! were told: [`Space::settle`].

use std::ops::Range;

use crate::runs::{Run, Runs};

/// A change that the kernel tells of (userfaultfd(2), `struct uffd_msg`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// MADV_DONTNEED, MADV_FREE and the like: the pages are zeros from now on.
    Remove(Range<u64>),
    /// The addresses have no mapping any more.
    Unmap(Range<u64>),
    /// mremap(2): what was at the one place is at the other.
    Remap { from: Range<u64>, to: u64 },
}

impl Change {
    /// Addresses at which nothing is any more of what was there.
    pub(crate) fn emptied(&self) -> &Range<u64> {
        match self {
            Self::Remove(range) | Self::Unmap(range) | Self::Remap { from: range, .. } => range,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// What is still to come.
    pub(crate) waiting: Runs,
    /// Places that mremap(2) has left, and of whose end the kernel will tell.
    pub(crate) vacated: Vec<Range<u64>>,
    /// Places where mremap(2) has put something, since all changes were told.
    pub(crate) filled: Vec<Range<u64>>,
    /// What was at places that have no mapping any more, since all changes were told.
    pub(crate) unmapped: Runs,
    /// What is at a place, or is not.
    pub(crate) doubtful: Runs,
}

impl Space {
    pub(crate) fn new(waiting: Runs) -> Self {
        Self { waiting, ..Self::default() }
    }

    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Remove(range) => {
                self.waiting.remove(range.clone());
                self.doubtful.remove(range.clone());
            }
            Change::Unmap(range) => self.unmap(range),
            Change::Remap { from, to } => self.remap(from, *to),
        }
    }

    fn unmap(&mut self, range: &Range<u64>) {
        if let Some(known) = self.vacated.iter().position(|vacated| vacated == range) {
            self.vacated.swap_remove(known);
            return;
        }
        self.doubtful.remove(range.clone());
        for run in self.waiting.remove(range.clone()) {
            self.unmapped.insert(run);
            let doubtful = self.filled.iter().filter_map(|filled| run.cut(filled));
            doubtful.for_each(|run| self.doubtful.insert(run));
        }
    }

    fn remap(&mut self, from: &Range<u64>, to: u64) {
        let filled = to..to.saturating_add(from.end - from.start);
        for run in self.waiting.from(from.start).take_while(|run| run.start < from.end).filter_map(|run| run.cut(from))
        {
            self.unmapped.insert(run);
        }
        self.waiting.move_range(from.clone(), to);
        self.doubtful.move_range(from.clone(), to);
        self.unmapped.remove(filled.clone());
        self.vacated.push(from.clone());
        self.filled.push(filled);
    }

    /// What a child has that was just forked.
    ///
    /// What another thread unmaps at the same time, the child may still have.
    pub(crate) fn fork(&self) -> Self {
        let inherited = |runs: &Runs| runs.iter().filter(|run| !run.source.wiped_on_fork).collect::<Runs>();
        let mut doubtful = inherited(&self.doubtful);
        for run in self.unmapped.iter().filter(|run| !run.source.wiped_on_fork) {
            doubtful.insert(run);
        }
        let waiting = inherited(&self.waiting);
        for run in waiting.iter() {
            doubtful.remove(run.start..run.end);
        }
        Self { waiting, doubtful, ..Self::default() }
    }

    /// Notes that no change is under way that was not told of; says whether that is news.
    pub(crate) fn settle(&mut self) -> bool {
        let is_news = !(self.vacated.is_empty() && self.filled.is_empty() && self.unmapped.is_empty());
        self.vacated.clear();
        self.filled.clear();
        self.unmapped = Runs::default();
        is_news
    }

    /// Whether it cannot be known what belongs there.
    pub(crate) fn is_doubtful(&self, address: u64) -> bool {
        self.doubtful.at(address).is_some()
    }

    /// The part of what is to come that has `address`, at most `around` long and aligned to it.
    pub(crate) fn around(&self, address: u64, around: u64) -> Option<Run> {
        let start = address - address % around;
        self.waiting.at(address)?.cut(&(start..start.saturating_add(around)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Source;

    fn run(start: u64, end: u64, offset: u64) -> Run {
        Run { start, end, source: Source { image: 0, offset, wiped_on_fork: false } }
    }

    fn space(runs: impl IntoIterator<Item = Run>) -> Space {
        Space::new(runs.into_iter().collect())
    }

    fn waiting(space: &Space) -> Vec<Run> {
        space.waiting.iter().collect()
    }

    #[test]
    fn what_is_moved_keeps_its_bytes() {
        let mut space = space([run(10, 20, 100), run(50, 60, 200)]);
        space.change(&Change::Remap { from: 12..18, to: 52 });
        assert_eq!(
            waiting(&space),
            [run(10, 12, 100), run(18, 20, 108), run(50, 52, 200), run(52, 58, 102), run(58, 60, 208)]
        );
    }

    #[test]
    fn the_end_of_a_place_that_was_left_takes_nothing_that_came_there_since() {
        let mut space = space([run(10, 20, 100), run(50, 60, 200)]);
        space.change(&Change::Remap { from: 10..20, to: 80 });
        space.change(&Change::Remap { from: 50..60, to: 10 });
        space.change(&Change::Unmap(10..20));
        space.change(&Change::Unmap(50..60));
        assert_eq!(waiting(&space), [run(10, 20, 200), run(80, 90, 100)]);
        space.change(&Change::Unmap(10..20));
        assert_eq!(waiting(&space), [run(80, 90, 100)]);
    }

    /// MREMAP_DONTUNMAP tells of no end.
    #[test]
    fn once_settled_the_end_of_a_place_is_its_end() {
        let mut space = space([run(10, 20, 100), run(50, 60, 200)]);
        space.change(&Change::Remap { from: 10..20, to: 80 });
        assert!(space.settle());
        assert!(!space.settle());
        space.change(&Change::Remap { from: 50..60, to: 10 });
        space.settle();
        space.change(&Change::Unmap(10..20));
        assert_eq!(waiting(&space), [run(80, 90, 100)]);
        assert!(!space.is_doubtful(15));
    }

    #[test]
    fn a_place_is_doubtful_that_was_filled_and_unmapped_at_once() {
        let mut space = space([run(10, 20, 100)]);
        space.change(&Change::Remap { from: 10..20, to: 80 });
        space.change(&Change::Unmap(85..100));
        assert!(space.is_doubtful(85) && !space.is_doubtful(84));
        assert_eq!(waiting(&space), [run(80, 85, 100)]);
        space.change(&Change::Remove(85..90));
        assert!(!space.is_doubtful(85));
    }

    #[test]
    fn what_is_unmapped_during_a_fork_is_doubtful_in_the_child() {
        let mut space = space([run(10, 20, 100), run(50, 60, 200)]);
        space.change(&Change::Unmap(10..20));
        let child = space.fork();
        assert!(child.is_doubtful(10) && !child.is_doubtful(50));
        assert_eq!(waiting(&child), [run(50, 60, 200)]);
        space.settle();
        assert!(!space.fork().is_doubtful(10));
    }

    #[test]
    fn a_child_gets_zeros_where_its_parent_asked_for_them() {
        let wiped = Run { source: Source { wiped_on_fork: true, ..run(0, 0, 100).source }, ..run(10, 20, 0) };
        let space = space([wiped, run(50, 60, 200)]);
        assert_eq!(waiting(&space.fork()), [run(50, 60, 200)]);
    }

    #[test]
    fn what_lies_around_stays_within_what_is_to_come() {
        let space = space([run(10, 40, 100)]);
        assert_eq!(space.around(17, 8), Some(run(16, 24, 106)));
        assert_eq!(space.around(12, 8), Some(run(10, 16, 100)));
        assert_eq!(space.around(5, 8), None);
    }
}
