//! Puts pages where they belong, and finds out what became of those that do not go there.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::sys;

/// Why no more pages went there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The process changes its mappings; its events come first.
    Changing,
    /// The process is gone.
    Gone,
    NoMemory,
    Failed(Errno),
}

/// How far pages went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Bytes from the first on that are there now, were there before, or have no mapping to be in.
    pub(crate) bytes: u64,
    /// Bytes of them that were put.
    pub(crate) put: u64,
    /// Bytes of them that have no mapping.
    pub(crate) unmapped: u64,
    pub(crate) stop: Option<Stop>,
}

impl Delivered {
    pub(crate) fn is_stopped_by(&self, stop: Stop) -> bool {
        self.stop == Some(stop)
    }
}

/// What puts pages; see [`sys::uffd_copy`] and [`sys::uffd_zero`].
pub(crate) trait Pages {
    fn put(&self, uffd: BorrowedFd<'_>, address: u64, from: u64, to: u64) -> Result<u64, Errno>;
}

/// These bytes.
impl Pages for [u8] {
    fn put(&self, uffd: BorrowedFd<'_>, address: u64, from: u64, to: u64) -> Result<u64, Errno> {
        sys::uffd_copy(uffd, address, &self[from as usize..to as usize])
    }
}

/// As many zeros as are asked for.
pub(crate) struct Zeros;

impl Pages for Zeros {
    fn put(&self, uffd: BorrowedFd<'_>, address: u64, from: u64, to: u64) -> Result<u64, Errno> {
        sys::uffd_zero(uffd, address, to - from)
    }
}

/// Puts `length` bytes at `address`, in pieces as large as the kernel takes.
pub(crate) fn deliver(
    uffd: BorrowedFd<'_>,
    address: u64,
    pages: &(impl Pages + ?Sized),
    length: u64,
    page: u64,
) -> Delivered {
    let mut delivered = Delivered { bytes: 0, put: 0, unmapped: 0, stop: None };
    // A piece that reaches beyond one mapping is refused as a whole: smaller ones find the end.
    let mut end = length;
    while delivered.bytes < length && delivered.stop.is_none() {
        let at = delivered.bytes;
        match pages.put(uffd, address + at, at, end) {
            Ok(count) => {
                delivered.put += count;
                delivered.bytes += count;
            }
            Err(Errno::EXIST) => delivered.bytes += page,
            Err(Errno::NOENT) if end - at > page => {
                end = at + (end - at) / 2 / page * page;
                continue;
            }
            Err(Errno::NOENT) => {
                delivered.bytes += page;
                delivered.unmapped += page;
            }
            Err(Errno::AGAIN) => delivered.stop = Some(Stop::Changing),
            Err(Errno::SRCH) => delivered.stop = Some(Stop::Gone),
            Err(Errno::NOMEM) => delivered.stop = Some(Stop::NoMemory),
            Err(error) => delivered.stop = Some(Stop::Failed(error)),
        }
        if delivered.bytes >= end {
            end = length;
        }
    }
    delivered
}
