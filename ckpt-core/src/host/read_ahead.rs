//! Has the kernel read a file before it is asked to. By itself it reads 128 KiB ahead (`read_ahead_kb`), so the disk is
//! idle while the reader hands on what it has.

use std::fs::File;
use std::num::NonZeroU64;

use rustix::fs::{Advice, fadvise};

/// How far ahead, in bytes.
const AHEAD: u64 = 8 << 20;
/// What is asked for at a time, in bytes.
const STEP: NonZeroU64 = NonZeroU64::new(2 << 20).unwrap();

/// For a file that is read front to back.
pub(crate) struct ReadAhead<'f> {
    file: &'f File,
    /// Where the kernel has not been asked for yet.
    next: u64,
}

impl<'f> ReadAhead<'f> {
    pub(crate) fn of(file: &'f File) -> Self {
        ReadAhead { file, next: 0 }
    }

    /// To be called before the bytes at `offset` are read; what is left out in between is not asked for.
    pub(crate) fn reading(&mut self, offset: u64) {
        self.next = self.next.max(offset);
        while self.next < offset.saturating_add(AHEAD) {
            // It is no more than advice: a pipe takes none.
            let _ = fadvise(self.file, self.next, Some(STEP), Advice::WillNeed);
            self.next += STEP.get();
        }
    }
}
