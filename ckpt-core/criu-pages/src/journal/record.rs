//! One record, and what it does to the address spaces.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use crate::checkpoint::Checkpoint;
use crate::space::{Change, Space};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A thread waits for the page at this address.
    Fault(u64),
    /// A child has this userfaultfd.
    Fork(RawFd),
    Change(Change),
    /// The process with this ID in the images has this userfaultfd.
    Task(i32),
    /// All changes were told.
    Settled,
    /// Nothing is to come any more.
    Closed,
    /// A message that was not asked for.
    Unknown(u8),
}

// Ours; below all of the kernel's.
pub(super) const TASK: u8 = 1;
pub(super) const SETTLED: u8 = 2;
pub(super) const CLOSED: u8 = 3;
// UFFD_EVENT_*, linux/userfaultfd.h.
const PAGEFAULT: u8 = 0x12;
const FORK: u8 = 0x13;
const REMAP: u8 = 0x14;
const REMOVE: u8 = 0x15;
const UNMAP: u8 = 0x16;

impl Record {
    /// `struct uffd_msg`: the event in the first byte, its arguments from the ninth on.
    pub(super) fn decode(words: [u64; 4]) -> Option<Self> {
        let range = words[1]..words[2].max(words[1]);
        Some(match words[0].to_ne_bytes()[0] {
            0 => return None,
            PAGEFAULT => Self::Fault(words[2]),
            FORK => Self::Fork(low_half(words[1])),
            REMAP => {
                let from = words[1]..words[1].saturating_add(words[3]);
                Self::Change(Change::Remap { from, to: words[2] })
            }
            REMOVE => Self::Change(Change::Remove(range)),
            UNMAP => Self::Change(Change::Unmap(range)),
            TASK => Self::Task(low_half(words[1])),
            SETTLED => Self::Settled,
            CLOSED => Self::Closed,
            other => Self::Unknown(other),
        })
    }
}

/// The `__u32` that begins a word.
fn low_half(word: u64) -> i32 {
    let [a, b, c, d, ..] = word.to_ne_bytes();
    i32::from_ne_bytes([a, b, c, d])
}

/// All address spaces by their userfaultfd.
pub(crate) type Spaces = BTreeMap<RawFd, Space>;

/// What a record does to the address spaces.
pub(crate) fn apply(spaces: &mut Spaces, uffd: RawFd, record: &Record, checkpoint: &Checkpoint) {
    match record {
        Record::Task(pid) => {
            let waiting = checkpoint.task(*pid).cloned().unwrap_or_default();
            spaces.insert(uffd, Space::new(waiting));
        }
        Record::Closed => drop(spaces.remove(&uffd)),
        Record::Fork(child) => {
            let inherited = spaces.get(&uffd).map(Space::fork).unwrap_or_default();
            spaces.insert(*child, inherited);
        }
        Record::Change(change) => {
            if let Some(space) = spaces.get_mut(&uffd) {
                space.change(change);
            }
        }
        Record::Settled => {
            if let Some(space) = spaces.get_mut(&uffd) {
                space.settle();
            }
        }
        Record::Fault(_) | Record::Unknown(_) => {}
    }
}
