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
///
/// Nobody may read events of `uffd` meanwhile: what was told is what is known.
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
            Err(Errno::NOENT) if sys::uffd_is_changing(uffd) => delivered.stop = Some(Stop::Changing),
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::param::page_size;

    use super::*;
    use crate::sys::tests::{Missing, protect, read, unmap};

    #[test]
    fn pages_go_over_the_ends_of_mappings_and_over_pages_that_are_there() {
        let missing = Missing::new(16);
        let page = page_size() as u64;
        let uffd = missing.uffd.as_fd();
        let bytes: Vec<u8> = (0..16).flat_map(|number| vec![number + 1; page_size()]).collect();
        // Three mappings, one of which is away, and a page that is there.
        protect(missing.page(3), 2 * page);
        let unmapping = unmap(missing.page(9), 2 * page);
        while rustix::io::read(uffd, &mut [0; 32]) == Err(Errno::AGAIN) {}
        unmapping.join().expect("it is unmapped");
        assert_eq!(sys::uffd_zero(uffd, missing.page(6), page), Ok(page));

        let delivered = deliver(uffd, missing.start, &bytes[..], 16 * page, page);
        assert_eq!(delivered, Delivered { bytes: 16 * page, put: 13 * page, unmapped: 2 * page, stop: None });
        for number in (0..16).filter(|number| !(9..11).contains(number)) {
            let expected = if number == 6 { 0 } else { number as u8 + 1 };
            assert_eq!(read(missing.page(number)), expected, "page {number}");
        }
        let again = deliver(uffd, missing.start, &Zeros, 16 * page, page);
        assert_eq!(again, Delivered { put: 0, ..delivered });
    }

    #[test]
    fn nothing_goes_there_while_the_process_changes_its_mappings() {
        let missing = Missing::new(2);
        let page = page_size() as u64;
        let unmapping = unmap(missing.page(1), page);
        let is_stopped = || deliver(missing.uffd.as_fd(), missing.page(1), &Zeros, page, page);
        let mut delivered = is_stopped();
        while delivered.put > 0 || delivered.stop.is_none() && delivered.unmapped == 0 {
            delivered = is_stopped();
        }
        assert_eq!(delivered, Delivered { bytes: 0, put: 0, unmapped: 0, stop: Some(Stop::Changing) });
        while rustix::io::read(&missing.uffd, &mut [0; 32]) == Err(Errno::AGAIN) {}
        unmapping.join().expect("it is unmapped");
    }
}
