//! The address spaces as the server's threads share them: what is to come, what is on its way, what is done.

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::Errno;

use crate::checkpoint::Checkpoint;
use crate::deliver::{Delivered, Stop};
use crate::failure::Failure;
use crate::journal::{self, Field, Journal, Record, Spaces};
use crate::runs::Run;
use crate::sys;

/// What one thread puts at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) uffd: RawFd,
    pub(crate) run: Run,
}

/// What a thread finds to do.
pub(crate) enum Next {
    Piece(Piece),
    /// Others have what is left.
    Later,
    Nothing,
}

/// A thread that waits for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) uffd: RawFd,
    pub(crate) address: u64,
}

/// Threads read it to put pages; whoever changes it, or hears of changes, has it alone. So a page is put where it
/// belongs at that moment.
pub(crate) struct Memory {
    checkpoint: &'static Checkpoint,
    pub(crate) spaces: Spaces,
    pub(crate) journal: Journal,
    /// Changes that were heard of.
    pub(crate) changes: u64,
    on_the_way: Vec<Piece>,
    /// Where the next piece begins, for each userfaultfd.
    cursors: BTreeMap<RawFd, u64>,
}

impl Memory {
    pub(crate) fn new(checkpoint: &'static Checkpoint, spaces: Spaces, journal: Journal) -> Self {
        let memory = Self { checkpoint, spaces, journal, changes: 0, on_the_way: Vec::new(), cursors: BTreeMap::new() };
        memory.count();
        memory
    }

    /// Bytes that are still to come.
    fn waiting_bytes(&self) -> u64 {
        self.spaces.values().map(|space| space.waiting.bytes()).sum()
    }

    fn count(&self) {
        self.journal.set(Field::WaitingBytes, self.waiting_bytes());
    }

    /// The next piece of at most `length` bytes; pieces come front to back, as the kernel reads ahead, restored processes
    /// before their children, whose descriptors came later.
    pub(crate) fn take(&mut self, length: u64) -> Next {
        let mut next = Next::Nothing;
        for (&uffd, space) in &self.spaces {
            if space.waiting.is_empty() {
                continue;
            }
            let cursor = self.cursors.get(&uffd).copied().unwrap_or(0);
            if let Some(run) = self.first_free(uffd, space.waiting.from(cursor).chain(space.waiting.iter()), length) {
                let piece = Piece { uffd, run };
                self.cursors.insert(uffd, run.end);
                self.on_the_way.push(piece);
                return Next::Piece(piece);
            }
            next = Next::Later;
        }
        next
    }

    /// The first of these runs, or a part of one, that is not on its way; at most `length` of it.
    fn first_free(&self, uffd: RawFd, mut runs: impl Iterator<Item = Run>, length: u64) -> Option<Run> {
        let on_the_way = |run: &Run| {
            let is_it = |piece: &&Piece| piece.uffd == uffd && piece.run.start < run.end && run.start < piece.run.end;
            self.on_the_way.iter().find(is_it).map(|piece| piece.run.end)
        };
        runs.find_map(|mut run| {
            loop {
                let first = run.cut(&(run.start..run.start.saturating_add(length)))?;
                match on_the_way(&first) {
                    None => return Some(first),
                    Some(end) => run = run.cut(&(end..u64::MAX))?,
                }
            }
        })
    }

    /// Whether these addresses still wait for these bytes.
    pub(crate) fn is_current(&self, piece: &Piece) -> bool {
        let Piece { uffd, run } = piece;
        let here = self.spaces.get(uffd).and_then(|space| space.waiting.at(run.start));
        here.and_then(|here| here.cut(&(run.start..run.end))) == Some(*run)
    }

    /// Notes how far a piece went that [`Self::take`] gave, or that was current; `changes` is of when it was put.
    pub(crate) fn delivered(&mut self, piece: &Piece, delivered: &Delivered, changes: u64) -> Result<(), Failure> {
        self.make_room()?;
        self.on_the_way.retain(|other| other != piece);
        if delivered.put > 0 {
            self.journal.set(Field::Attempts, 0);
        }
        if delivered.bytes > 0 && self.is_current(piece) {
            let start = piece.run.start;
            if let Some(space) = self.spaces.get_mut(&piece.uffd) {
                space.waiting.remove(start..start + delivered.bytes);
            }
        }
        if delivered.bytes > 0 && changes == self.changes {
            self.settle(piece.uffd);
        }
        let result = self.stopped(piece.uffd, piece.run.start + delivered.bytes, delivered.stop);
        self.close_if_done(piece.uffd)?;
        self.count();
        result
    }

    /// Pages that could not be put because nobody is there are done with.
    pub(crate) fn stopped(&mut self, uffd: RawFd, address: u64, stop: Option<Stop>) -> Result<(), Failure> {
        match stop {
            Some(Stop::Gone) => self.close(uffd),
            Some(Stop::Failed(source)) => return Err(Failure::Put { address, source }),
            Some(Stop::Changing | Stop::NoMemory) | None => {}
        }
        Ok(())
    }

    /// A page went there: the kernel has told of all changes.
    pub(crate) fn settle(&mut self, uffd: RawFd) {
        if self.spaces.get_mut(&uffd).is_some_and(|space| space.settle()) {
            self.journal.append(uffd, &Record::Settled);
        }
    }

    /// Lets go of an address space to which nothing is to come.
    pub(crate) fn close_if_done(&mut self, uffd: RawFd) -> Result<(), Failure> {
        let Some(space) = self.spaces.get_mut(&uffd).filter(|space| space.waiting.is_empty()) else { return Ok(()) };
        let doubtful: Vec<Run> = space.doubtful.iter().collect();
        for run in doubtful {
            match is_any_registered(sys::borrow(uffd), run) {
                Ok(false) => drop(space.doubtful.remove(run.start..run.end)),
                Ok(true) => return Err(Failure::Doubtful(run.start)),
                Err(Errno::AGAIN) => return Ok(()),
                // The process is gone.
                Err(_) => {}
            }
        }
        self.close(uffd);
        Ok(())
    }

    fn close(&mut self, uffd: RawFd) {
        if self.spaces.remove(&uffd).is_some() {
            // Noted first: nobody is to serve a descriptor that has got another meaning.
            self.journal.append(uffd, &Record::Closed);
            self.cursors.remove(&uffd);
            sys::close(uffd);
        }
    }

    /// All spaces that nothing is to come to, as [`Self::close_if_done`], and those whose processes have ended: of
    /// children that start other programs there may be thousands.
    pub(crate) fn close_all_done(&mut self) -> Result<(), Failure> {
        let uffds: Vec<RawFd> = self.spaces.keys().copied().collect();
        for uffd in uffds {
            self.make_room()?;
            self.close_if_done(uffd)?;
            if self.has_ended(uffd) {
                self.close(uffd);
            }
        }
        self.count();
        Ok(())
    }

    fn has_ended(&self, uffd: RawFd) -> bool {
        let first = self.spaces.get(&uffd).and_then(|space| space.waiting.iter().next());
        first.is_some_and(|run| {
            let page = rustix::param::page_size() as u64;
            sys::uffd_is_registered(sys::borrow(uffd), run.start, page) == Err(Errno::SRCH)
        })
    }

    /// Takes in a process that CRIU restores.
    pub(crate) fn add(&mut self, uffd: RawFd, pid: i32) -> Result<(), Failure> {
        self.make_room()?;
        let record = Record::Task(pid);
        self.journal.append(uffd, &record);
        journal::apply(&mut self.spaces, uffd, &record, self.checkpoint);
        let bytes = self.spaces.get(&uffd).map_or(0, |space| space.waiting.bytes());
        self.journal.set(Field::LazyBytes, self.journal.get(Field::LazyBytes) + bytes);
        self.count();
        Ok(())
    }

    /// Reads what there is to read from `uffd`, and gives the threads that wait.
    pub(crate) fn read(&mut self, uffd: RawFd) -> Result<Vec<Fault>, Failure> {
        let mut faults = Vec::new();
        // A worker may have closed it since there was something to read.
        while self.spaces.contains_key(&uffd) {
            self.make_room()?;
            let file: BorrowedFd<'_> = sys::borrow(uffd);
            let records = match self.journal.read(file) {
                Ok(records) if records.is_empty() => return Ok(faults),
                Ok(records) => records,
                Err(Errno::AGAIN) => return Ok(faults),
                Err(Errno::INTR) => continue,
                Err(source) => return Err(Failure::Events { source }),
            };
            for record in &records {
                self.hear(uffd, record)?;
                if let Record::Fault(address) = *record {
                    faults.push(Fault { uffd, address });
                }
            }
        }
        Ok(faults)
    }

    fn hear(&mut self, uffd: RawFd, record: &Record) -> Result<(), Failure> {
        if let Record::Unknown(event) = *record {
            return Err(Failure::UnknownEvent(event));
        }
        journal::apply(&mut self.spaces, uffd, record, self.checkpoint);
        match record {
            Record::Change(change) => {
                self.changes += 1;
                // A thread may wait there for a page that cannot come to this address any more.
                let range = change.emptied();
                let _ = sys::uffd_wake(sys::borrow(uffd), range.start, range.end - range.start);
            }
            Record::Fork(child) => {
                self.changes += 1;
                let bytes = self.spaces.get(child).map_or(0, |space| space.waiting.bytes());
                self.journal.set(Field::LazyBytes, self.journal.get(Field::LazyBytes) + bytes);
            }
            _ => {}
        }
        self.count();
        Ok(())
    }

    /// What is appended after this has room.
    pub(crate) fn make_room(&mut self) -> Result<(), Failure> {
        if self.journal.is_nearly_full() {
            self.journal.begin_anew(self.checkpoint).map_err(Failure::system("cannot begin the journal anew"))?;
        }
        Ok(())
    }
}

/// Whether there is a mapping of `uffd` in these addresses.
fn is_any_registered(uffd: BorrowedFd<'_>, run: Run) -> Result<bool, Errno> {
    let page = rustix::param::page_size();
    for address in (run.start..run.end).step_by(page) {
        if sys::uffd_is_registered(uffd, address, page as u64)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Source;
    use crate::space::Space;

    const PIECE: u64 = 512 << 10;

    fn run(start: u64, end: u64) -> Run {
        Run { start, end, source: Source { image: 0, offset: start, wiped_on_fork: false } }
    }

    /// Of one process, with these runs.
    fn memory(runs: impl IntoIterator<Item = Run>) -> anyhow::Result<Memory> {
        let spaces = Spaces::from([(7, Space::new(runs.into_iter().collect()))]);
        let checkpoint = Box::leak(Box::new(Checkpoint::of_task(1, Default::default())));
        Ok(Memory::new(checkpoint, spaces, Journal::create()?))
    }

    fn take(memory: &mut Memory) -> Option<Run> {
        match memory.take(PIECE) {
            Next::Piece(piece) => Some(piece.run),
            _ => None,
        }
    }

    #[test]
    fn pieces_come_front_to_back_whoever_takes_them() -> anyhow::Result<()> {
        let mut memory = memory([run(0, 2 * PIECE), run(4 * PIECE, 5 * PIECE)])?;
        for piece in [0, 1, 4] {
            assert_eq!(take(&mut memory), Some(run(piece * PIECE, (piece + 1) * PIECE)));
        }
        assert!(matches!(memory.take(PIECE), Next::Later));
        memory.spaces.clear();
        assert!(matches!(memory.take(PIECE), Next::Nothing));
        Ok(())
    }

    #[test]
    fn what_came_back_is_taken_once_more() -> anyhow::Result<()> {
        let mut memory = memory([run(0, 2 * PIECE)])?;
        let Next::Piece(first) = memory.take(PIECE) else { anyhow::bail!("there is no piece") };
        assert_eq!(take(&mut memory), Some(run(PIECE, 2 * PIECE)));
        let stopped = Delivered { bytes: 0, put: 0, unmapped: 0, stop: Some(Stop::NoMemory) };
        memory.delivered(&first, &stopped, 0)?;
        assert_eq!(take(&mut memory), Some(first.run));
        Ok(())
    }
}
