//! Memory that processes share, and that the kernel writes into.

use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::errno::last_errno;

/// Memory of a file that processes share; it stays until the process ends.
#[derive(Clone, Copy)]
pub(crate) struct SharedMemory {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is never unmapped, and is only touched by atomic operations and by the kernel.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Maps the first `length` bytes of `file`, which nobody may truncate: a memfd of our own.
    pub(crate) fn map(file: impl AsFd, length: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping, where the kernel likes; nothing else lies there.
        let start = unsafe {
            mmap(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)?
        };
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, length })
    }

    fn at(&self, offset: usize, length: usize, align: usize) -> *mut u8 {
        assert!(offset.is_multiple_of(align) && offset.checked_add(length).is_some_and(|end| end <= self.length));
        // SAFETY: the line above holds it within the mapping.
        unsafe { self.start.as_ptr().add(offset) }
    }

    pub(crate) fn u32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: within the mapping and aligned, see `at`; the mapping outlives `self`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4, 4).cast()) }
    }

    pub(crate) fn u64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: within the mapping and aligned, see `at`; the mapping outlives `self`.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8, 8).cast()) }
    }

    /// read(2) into the bytes at `offset`.
    pub(crate) fn read_into(&self, offset: usize, length: usize, file: impl AsFd) -> Result<usize, Errno> {
        let target = self.at(offset, length, 8);
        // SAFETY: `target` is `length` bytes of the mapping, see `at`; others touch them by atomic operations only, to
        // which the kernel's write is one by another process.
        let count = unsafe { libc::read(file.as_fd().as_raw_fd(), target.cast(), length) };
        usize::try_from(count).map_err(|_| last_errno())
    }
}
