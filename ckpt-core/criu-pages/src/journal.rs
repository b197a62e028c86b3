//! What has happened to the address spaces, in memory that server and keeper share.
//!
//! A change is told once, to who reads it from the userfaultfd; the process goes on that very moment. So the kernel is
//! made to write it where the other process sees it: read(2) goes into the journal, and cannot be torn by a signal,
//! SIGKILL included. Whoever takes over has all changes, and finds by them what each address waits for. Pages that
//! came meanwhile are not noted: the kernel answers EEXIST for them.
//!
//! A full journal is begun anew, in the other half, behind the state that it came to.
//!
//! | offset | |
//! |---|---|
//! | 0 | numbers, see [`Field`] |
//! | 4096 | processes: two descriptors each |
//! | 1 MiB, 3 MiB | two halves: descriptor of each record, then the records |
//! | 16 MiB, 1 TiB | state at the beginning of each half |

mod record;
mod spaces;

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};

use crate::checkpoint::Checkpoint;
use crate::sys::{self, SharedMemory};
use record::{CLOSED, SETTLED, TASK};
pub(crate) use record::{Record, Spaces, apply};
use spaces::{decode, encode};

/// Records in a half.
const CAPACITY: usize = 16384;
/// Messages that one read(2) takes.
const BATCH: usize = 16;
/// `struct uffd_msg`, linux/userfaultfd.h.
const MESSAGE: usize = 32;

const TASKS: usize = 4096;
/// Processes of one restore.
const MAX_TASKS: usize = 32768;
const HALVES: [usize; 2] = [1 << 20, 3 << 20];
const MESSAGES: usize = CAPACITY * 4;
const LENGTH: usize = 5 << 20;
const STATES: [u64; 2] = [16 << 20, 1 << 40];

/// Numbers that both processes see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    /// A [`State`](crate::State).
    State,
    /// The half that counts.
    Half,
    /// ID of the server.
    Server,
    /// ID of the keeper.
    Keeper,
    /// ID of the process in reserve.
    Reserve,
    /// Servers that were started since a page came.
    Attempts,
    /// Processes in the table.
    Tasks,
    /// The connection with CRIU, or [`NONE`].
    Connection,
    /// A pidfd of CRIU, or [`NONE`].
    Criu,
    /// What kills all processes when the last descriptor is closed.
    Fuse,
    /// Bytes that could come later, in all processes so far.
    LazyBytes,
    /// Bytes of them that are still to come.
    WaitingBytes,
    /// When pages began to come, in ms since 1970.
    Since,
    /// Words of the state before each half.
    StateWords,
}

/// No descriptor.
pub(crate) const NONE: u64 = u64::MAX;

#[derive(Clone)]
pub(crate) struct Journal {
    memory: SharedMemory,
    file: BorrowedFd<'static>,
    /// Records in the half that counts; only who writes knows.
    length: usize,
}

impl Journal {
    pub(crate) fn create() -> Result<Self, Errno> {
        let file = memfd_create("criu-pages", MemfdFlags::CLOEXEC)?;
        ftruncate(&file, LENGTH as u64)?;
        let file = sys::keep_open(file);
        let journal = Self { memory: SharedMemory::map(file, LENGTH)?, file, length: 0 };
        for field in [Field::Connection, Field::Criu, Field::Fuse] {
            journal.set(field, NONE);
        }
        Ok(journal)
    }

    pub(crate) fn get(&self, field: Field) -> u64 {
        self.memory.u64(field as usize * 8).load(Acquire)
    }

    /// What a field says that is a descriptor or [`NONE`].
    pub(crate) fn descriptor(&self, field: Field) -> Option<BorrowedFd<'static>> {
        RawFd::try_from(self.get(field)).ok().map(sys::borrow)
    }

    pub(crate) fn set(&self, field: Field, value: u64) {
        self.memory.u64(field as usize * 8).store(value, Release);
    }

    /// Notes the two descriptors that stand for a process: a pidfd, and its place at the fuse.
    ///
    /// # Errors
    /// `NOSPC` if there are too many.
    pub(crate) fn add_task(&self, descriptors: [RawFd; 2]) -> Result<(), Errno> {
        let count = self.get(Field::Tasks);
        let place = usize::try_from(count).ok().filter(|&place| place < MAX_TASKS).ok_or(Errno::NOSPC)?;
        for (at, descriptor) in descriptors.into_iter().enumerate() {
            let field = self.memory.u32(TASKS + place * 8 + at * 4);
            field.store(descriptor.cast_unsigned(), Relaxed);
        }
        self.set(Field::Tasks, count + 1);
        Ok(())
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = [BorrowedFd<'static>; 2]> {
        let count = usize::try_from(self.get(Field::Tasks)).unwrap_or(0);
        (0..count).map(|place| {
            [0, 1].map(|at| sys::borrow(self.memory.u32(TASKS + place * 8 + at * 4).load(Relaxed).cast_signed()))
        })
    }

    fn half(&self) -> usize {
        usize::from(self.get(Field::Half) != 0)
    }

    fn descriptor_at(&self, half: usize, place: usize) -> usize {
        HALVES[half] + place * 4
    }

    fn message_at(&self, half: usize, place: usize) -> usize {
        HALVES[half] + MESSAGES + place * MESSAGE
    }

    /// Whether there is room for what one [`Self::read`] may bring, and as many records of ours.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.length + 4 * BATCH > CAPACITY
    }

    /// Appends a record of ours.
    ///
    /// # Panics
    /// If it is full.
    pub(crate) fn append(&mut self, uffd: RawFd, record: &Record) {
        let (event, argument) = match record {
            Record::Task(pid) => (TASK, pid.cast_unsigned()),
            Record::Settled => (SETTLED, 0),
            Record::Closed => (CLOSED, 0),
            other => panic!("{other:?} is the kernel's to write"),
        };
        let half = self.half();
        self.clear(half, self.length, 1);
        self.memory.u32(self.descriptor_at(half, self.length)).store(uffd.cast_unsigned(), Relaxed);
        let at = self.message_at(half, self.length);
        self.memory.u64(at + 8).store(argument.into(), Relaxed);
        self.memory.u64(at).store(event.into(), Release);
        self.length += 1;
    }

    /// Reads messages from `uffd`, as many as there are and as one call takes.
    ///
    /// # Errors
    /// `AGAIN` if there are none.
    pub(crate) fn read(&mut self, uffd: BorrowedFd<'_>) -> Result<Vec<Record>, Errno> {
        let half = self.half();
        self.clear(half, self.length, BATCH);
        for place in self.length..self.length + BATCH {
            self.memory.u32(self.descriptor_at(half, place)).store(uffd.as_raw_fd().cast_unsigned(), Release);
        }
        let at = self.message_at(half, self.length);
        let count = self.memory.read_into(at, BATCH * MESSAGE, uffd)? / MESSAGE;
        let records: Vec<Record> =
            (self.length..self.length + count).filter_map(|place| self.record(half, place)).collect();
        // Faults need no remembering: whoever takes over has the threads look again.
        if records.iter().any(|record| !matches!(record, Record::Fault(_))) {
            self.length += count;
        }
        Ok(records)
    }

    fn clear(&self, half: usize, place: usize, count: usize) {
        for word in 0..count * MESSAGE / 8 {
            self.memory.u64(self.message_at(half, place) + word * 8).store(0, Release);
        }
    }

    fn record(&self, half: usize, place: usize) -> Option<Record> {
        let at = self.message_at(half, place);
        Record::decode([0, 8, 16, 24].map(|word| self.memory.u64(at + word).load(Acquire)))
    }

    /// What all records come to; this process goes on behind them.
    ///
    /// # Errors
    /// If the state before them cannot be read.
    pub(crate) fn replay(&mut self, checkpoint: &Checkpoint) -> Result<Spaces, Errno> {
        let half = self.half();
        let mut spaces = self.read_state(half)?;
        self.length = 0;
        while self.length < CAPACITY
            && let Some(record) = self.record(half, self.length)
        {
            let uffd = self.memory.u32(self.descriptor_at(half, self.length)).load(Relaxed).cast_signed();
            apply(&mut spaces, uffd, &record, checkpoint);
            self.length += 1;
        }
        Ok(spaces)
    }

    /// Begins the other half with what this one comes to.
    ///
    /// # Errors
    /// If the state cannot be written: there is no memory.
    pub(crate) fn begin_anew(&mut self, checkpoint: &Checkpoint) -> Result<(), Errno> {
        let spaces = self.replay(checkpoint)?;
        let other = 1 - self.half();
        let words = encode(&spaces);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut written = 0;
        while written < bytes.len() {
            written += pwrite(self.file, &bytes[written..], STATES[other] + written as u64)?;
        }
        self.clear(other, 0, CAPACITY);
        self.memory.u64(state_words(other)).store(words.len() as u64, Release);
        self.set(Field::Half, other as u64);
        self.length = 0;
        Ok(())
    }

    fn read_state(&self, half: usize) -> Result<Spaces, Errno> {
        let words = self.memory.u64(state_words(half)).load(Acquire);
        let mut bytes = vec![0; usize::try_from(words * 8).map_err(|_| Errno::NOMEM)?];
        let mut read = 0;
        while read < bytes.len() {
            match pread(self.file, &mut bytes[read..], STATES[half] + read as u64)? {
                0 => return Err(Errno::NODATA),
                count => read += count,
            }
        }
        let words: Vec<u64> =
            bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes"))).collect();
        decode(&words).ok_or(Errno::NODATA)
    }
}

fn state_words(half: usize) -> usize {
    (Field::StateWords as usize + half) * 8
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread::JoinHandle;

    use rustix::param::page_size;

    use super::*;
    use crate::runs::{Run, Runs, Source};
    use crate::sys::tests::{Missing, move_to, remove, reserve, unmap};

    const PID: i32 = 7;

    /// A process that waits for all of its pages but each fourth.
    fn checkpoint(missing: &Missing) -> Checkpoint {
        let run = |number: u64| Run {
            start: missing.page(number * 4),
            end: missing.page(number * 4 + 3),
            source: Source { image: 2, offset: number << 20, wiped_on_fork: number % 2 == 1 },
        };
        Checkpoint::of_task(PID, (0..8).map(run).collect::<Runs>())
    }

    /// The journal reads until the thread has been let go.
    fn hear(
        journal: &mut Journal,
        missing: &Missing,
        spaces: &mut Spaces,
        checkpoint: &Checkpoint,
        thread: JoinHandle<()>,
    ) {
        let uffd = missing.uffd.as_fd();
        while !thread.is_finished() {
            for record in journal.read(uffd).unwrap_or_default() {
                apply(spaces, uffd.as_raw_fd(), &record, checkpoint);
            }
        }
        thread.join().expect("the change was made");
    }

    #[test]
    fn who_takes_over_finds_what_each_address_waits_for() -> Result<(), Errno> {
        let missing = Missing::new(32);
        let page = page_size() as u64;
        let checkpoint = checkpoint(&missing);
        let uffd = missing.uffd.as_raw_fd();
        let mut journal = Journal::create()?;
        let mut spaces = Spaces::new();
        journal.append(uffd, &Record::Task(PID));
        apply(&mut spaces, uffd, &Record::Task(PID), &checkpoint);
        let elsewhere = reserve(8);
        let changes: [&dyn Fn() -> JoinHandle<()>; 4] = [
            &|| remove(missing.page(1), 4 * page),
            &|| move_to(missing.page(8), 8 * page, elsewhere),
            &|| unmap(missing.page(20), 3 * page),
            &|| unmap(elsewhere + page, page),
        ];
        for change in changes {
            hear(&mut journal, &missing, &mut spaces, &checkpoint, change());
            let mut other = journal.clone();
            other.length = 0;
            assert_eq!(other.replay(&checkpoint)?, spaces);
            assert_eq!(other.length, journal.length);
        }
        assert!(!spaces[&uffd].doubtful.is_empty() && !spaces[&uffd].unmapped.is_empty());

        journal.begin_anew(&checkpoint)?;
        assert_eq!((journal.length, journal.half()), (0, 1));
        assert_eq!(journal.replay(&checkpoint)?, spaces);
        journal.append(uffd, &Record::Settled);
        apply(&mut spaces, uffd, &Record::Settled, &checkpoint);
        hear(&mut journal, &missing, &mut spaces, &checkpoint, remove(missing.page(16), page));
        assert_eq!(journal.replay(&checkpoint)?, spaces);
        journal.begin_anew(&checkpoint)?;
        assert_eq!((journal.length, journal.half()), (0, 0));
        assert_eq!(journal.replay(&checkpoint)?, spaces);
        journal.append(uffd, &Record::Closed);
        assert!(journal.replay(&checkpoint)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_full_journal_begins_anew() -> Result<(), Errno> {
        let checkpoint = Checkpoint::of_task(PID, Runs::default());
        let mut journal = Journal::create()?;
        for round in 0..3 * CAPACITY as i32 {
            if journal.is_nearly_full() {
                journal.begin_anew(&checkpoint)?;
            }
            journal.append(round % 100, &Record::Task(PID));
        }
        assert_eq!(journal.replay(&checkpoint)?.len(), 100);
        Ok(())
    }

    #[test]
    fn processes_are_found_again() -> Result<(), Errno> {
        let journal = Journal::create()?;
        journal.add_task([5, 6])?;
        journal.add_task([7, 8])?;
        let tasks: Vec<[i32; 2]> = journal.tasks().map(|task| task.map(|file| file.as_raw_fd())).collect();
        assert_eq!(tasks, [[5, 6], [7, 8]]);
        Ok(())
    }
}
