//! The ioctls of userfaultfd, see ioctl_userfaultfd(2).

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// `struct uffdio_range`, linux/userfaultfd.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct UffdioRange {
    start: u64,
    len: u64,
}

/// `struct uffdio_copy`, linux/userfaultfd.h.
#[repr(C)]
struct UffdioCopy {
    dst: u64,
    src: u64,
    len: u64,
    mode: u64,
    copy: i64,
}

/// `struct uffdio_zeropage`, linux/userfaultfd.h.
#[repr(C)]
struct UffdioZeropage {
    range: UffdioRange,
    mode: u64,
    zeropage: i64,
}

/// `UFFDIO`, linux/userfaultfd.h.
const UFFDIO: u8 = 0xaa;
/// `UFFDIO_WAKE`: `_IOR(UFFDIO, 0x02, struct uffdio_range)`, although the kernel reads it.
const UFFDIO_WAKE: Opcode = opcode::read::<UffdioRange>(UFFDIO, 0x02);
/// `UFFDIO_COPY`: `_IOWR(UFFDIO, 0x03, struct uffdio_copy)`.
const UFFDIO_COPY: Opcode = opcode::read_write::<UffdioCopy>(UFFDIO, 0x03);
/// `UFFDIO_ZEROPAGE`: `_IOWR(UFFDIO, 0x04, struct uffdio_zeropage)`.
const UFFDIO_ZEROPAGE: Opcode = opcode::read_write::<UffdioZeropage>(UFFDIO, 0x04);

/// Puts `bytes` at `address` of the process behind `uffd`, and wakes who waits for them; gives how many bytes it put.
///
/// Both are whole pages. All or a part: the kernel stops at the first page that it cannot put.
///
/// # Errors
/// Only if it could put none, see ioctl_userfaultfd(2):
///
/// | errno | meaning |
/// |---|---|
/// | `AGAIN` | the process is changing its mappings: its events come first |
/// | `EXIST` | the first page is there |
/// | `NOENT` | the range is not registered, or reaches beyond one mapping; also while the process changes its mappings |
/// | `SRCH` | the process is gone |
/// | `NOMEM` | no memory, or no more of it for the process's cgroup |
pub(crate) fn uffd_copy(uffd: impl AsFd, address: u64, bytes: &[u8]) -> Result<u64, Errno> {
    let mut arguments =
        UffdioCopy { dst: address, src: bytes.as_ptr().addr() as u64, len: bytes.len() as u64, mode: 0, copy: 0 };
    // SAFETY: UFFDIO_COPY reads and writes one `uffdio_copy`, which `Updater` passes by pointer and which has C layout;
    // `bytes` is borrowed until the call returns. What it writes to is another process's memory.
    let result = unsafe { ioctl(uffd, Updater::<UFFDIO_COPY, UffdioCopy>::new(&mut arguments)) };
    moved(result, arguments.copy)
}

/// Puts pages of zeros at `address`, as [`uffd_copy`].
///
/// # Errors
/// As [`uffd_copy`].
pub(crate) fn uffd_zero(uffd: impl AsFd, address: u64, length: u64) -> Result<u64, Errno> {
    let mut arguments = UffdioZeropage { range: UffdioRange { start: address, len: length }, mode: 0, zeropage: 0 };
    // SAFETY: UFFDIO_ZEROPAGE reads and writes one `uffdio_zeropage`, which `Updater` passes by pointer and which has C
    // layout.
    let result = unsafe { ioctl(uffd, Updater::<UFFDIO_ZEROPAGE, UffdioZeropage>::new(&mut arguments)) };
    moved(result, arguments.zeropage)
}

/// A part that was put is no error, although the kernel says AGAIN.
fn moved(result: Result<(), Errno>, moved: i64) -> Result<u64, Errno> {
    match u64::try_from(moved) {
        Ok(moved) if moved > 0 => Ok(moved),
        _ => result.map(|()| 0),
    }
}

/// Whether the process is changing its mappings, and what it does was not told yet.
///
/// The kernel looks for a mapping between asking this twice (`mfill_atomic`, mm/userfaultfd.c): NOENT alone may be of a
/// mapping that has just been moved. Who reads no events in between knows by this.
pub(crate) fn uffd_is_changing(uffd: impl AsFd) -> bool {
    // It is asked before the length, which is refused.
    uffd_copy(uffd, 0, &[]) == Err(Errno::AGAIN)
}

/// `struct uffdio_continue`, linux/userfaultfd.h.
#[repr(C)]
struct UffdioContinue {
    range: UffdioRange,
    mode: u64,
    mapped: i64,
}

/// `UFFDIO_CONTINUE`: `_IOWR(UFFDIO, 0x07, struct uffdio_continue)`.
const UFFDIO_CONTINUE: Opcode = opcode::read_write::<UffdioContinue>(UFFDIO, 0x07);

/// Whether all of the range is in one mapping that is registered with `uffd`.
///
/// UFFDIO_CONTINUE is refused for anonymous memory, but the kernel looks for the mapping first (`mfill_atomic`,
/// mm/userfaultfd.c).
///
/// # Errors
/// `AGAIN` and `SRCH` as [`uffd_copy`].
pub(crate) fn uffd_is_registered(uffd: impl AsFd, start: u64, length: u64) -> Result<bool, Errno> {
    let mut arguments = UffdioContinue { range: UffdioRange { start, len: length }, mode: 0, mapped: 0 };
    // SAFETY: UFFDIO_CONTINUE reads and writes one `uffdio_continue`, which `Updater` passes by pointer and which has C
    // layout.
    match unsafe { ioctl(&uffd, Updater::<UFFDIO_CONTINUE, UffdioContinue>::new(&mut arguments)) } {
        Err(Errno::NOENT) if uffd_is_changing(uffd) => Err(Errno::AGAIN),
        Err(Errno::NOENT) => Ok(false),
        Ok(()) | Err(Errno::INVAL) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Has threads look again that wait for a page of this range.
///
/// # Errors
/// `INVAL` if the range reaches beyond the process's address space.
pub(crate) fn uffd_wake(uffd: impl AsFd, start: u64, length: u64) -> Result<(), Errno> {
    let mut range = UffdioRange { start, len: length };
    // SAFETY: UFFDIO_WAKE reads one `uffdio_range`, which `Updater` passes by pointer and which has C layout.
    unsafe { ioctl(uffd, Updater::<UFFDIO_WAKE, UffdioRange>::new(&mut range)) }
}

/// Has all threads look again.
pub(crate) fn uffd_wake_all(uffd: impl AsFd) {
    let page = rustix::param::page_size() as u64;
    // No process may have mappings below by default (vm.mmap_min_addr), and the kernel takes no range that begins there.
    let start = 0x1_0000;
    let mut length = 0;
    // The end of the address space is not known; the kernel refuses what reaches beyond it.
    for bit in (page.trailing_zeros()..57).rev() {
        let longer = length | 1 << bit;
        if uffd_wake(&uffd, start, longer).is_ok() {
            length = longer;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! Memory of the test's own process that waits for pages.

    use std::io;
    use std::os::fd::{FromRawFd, OwnedFd, RawFd};
    use std::thread::{self, JoinHandle};

    use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mprotect, munmap};
    use rustix::param::page_size;

    use super::*;

    /// `struct uffdio_api`, linux/userfaultfd.h.
    #[repr(C)]
    struct UffdioApi {
        api: u64,
        features: u64,
        ioctls: u64,
    }

    /// `struct uffdio_register`, linux/userfaultfd.h.
    #[repr(C)]
    struct UffdioRegister {
        range: UffdioRange,
        mode: u64,
        ioctls: u64,
    }

    const UFFDIO_API: Opcode = opcode::read_write::<UffdioApi>(UFFDIO, 0x3f);
    const UFFDIO_REGISTER: Opcode = opcode::read_write::<UffdioRegister>(UFFDIO, 0x00);
    const UFFD_USER_MODE_ONLY: i32 = 1;
    /// UFFD_FEATURE_EVENT_REMAP, _REMOVE, _UNMAP: those that need no right.
    const FEATURES: u64 = 1 << 2 | 1 << 3 | 1 << 6;

    /// Pages that are missing, and the descriptor that tells of them.
    pub(crate) struct Missing {
        pub(crate) uffd: OwnedFd,
        pub(crate) start: u64,
    }

    impl Missing {
        pub(crate) fn new(pages: usize) -> Self {
            let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | UFFD_USER_MODE_ONLY;
            // SAFETY: a new descriptor, which is owned here.
            let uffd = unsafe {
                let number = libc::syscall(libc::SYS_userfaultfd, flags);
                assert!(number >= 0, "{}", io::Error::last_os_error());
                OwnedFd::from_raw_fd(number as RawFd)
            };
            let mut api = UffdioApi { api: 0xaa, features: FEATURES, ioctls: 0 };
            // SAFETY: UFFDIO_API reads and writes one `uffdio_api`.
            unsafe { ioctl(&uffd, Updater::<UFFDIO_API, UffdioApi>::new(&mut api)) }.expect("userfaultfd is there");
            let start = reserve(pages);
            let range = UffdioRange { start, len: (pages * page_size()) as u64 };
            let mut register = UffdioRegister { range, mode: 1, ioctls: 0 };
            // SAFETY: UFFDIO_REGISTER reads and writes one `uffdio_register`; the range is a new mapping.
            unsafe { ioctl(&uffd, Updater::<UFFDIO_REGISTER, UffdioRegister>::new(&mut register)) }
                .expect("anonymous memory can be registered");
            Self { uffd, start }
        }

        pub(crate) fn page(&self, number: u64) -> u64 {
            self.start + number * page_size() as u64
        }
    }

    /// Addresses where nothing else is, mapped.
    pub(crate) fn reserve(pages: usize) -> u64 {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let length = pages * page_size();
        // SAFETY: a new mapping, where the kernel likes.
        let start = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, protection, MapFlags::PRIVATE).expect("room")
        };
        start.addr() as u64
    }

    fn pointer(address: u64) -> *mut std::ffi::c_void {
        std::ptr::with_exposed_provenance_mut(address as usize)
    }

    // The kernel lets go of the threads below when they were told of.

    pub(crate) fn remove(address: u64, length: u64) -> JoinHandle<()> {
        // SAFETY: nobody has a reference to what is there.
        thread::spawn(move || unsafe {
            madvise(pointer(address), length as usize, Advice::LinuxDontNeed).expect("it is mapped");
        })
    }

    pub(crate) fn unmap(address: u64, length: u64) -> JoinHandle<()> {
        // SAFETY: nobody has a reference to what is there.
        thread::spawn(move || unsafe { munmap(pointer(address), length as usize).expect("it is mapped") })
    }

    pub(crate) fn move_to(address: u64, length: u64, to: u64) -> JoinHandle<()> {
        // SAFETY: nobody has a reference to either place.
        thread::spawn(move || unsafe {
            let length = length as usize;
            let flags = MremapFlags::MAYMOVE;
            rustix::mm::mremap_fixed(pointer(address), length, length, flags, pointer(to)).expect("it is mapped");
        })
    }

    pub(crate) fn protect(address: u64, length: u64) {
        // SAFETY: nobody has a reference to what is there.
        unsafe { mprotect(pointer(address), length as usize, rustix::mm::MprotectFlags::READ).expect("it is mapped") }
    }

    pub(crate) fn read(address: u64) -> u8 {
        // SAFETY: mapped and readable, as the tests arrange.
        unsafe { std::ptr::read_volatile(pointer(address).cast()) }
    }

    #[test]
    fn threads_that_wait_look_again_wherever_they_wait() {
        let missing = Missing::new(1);
        let address = missing.page(0);
        let waiting = thread::spawn(move || read(address));
        // A server was told of the thread, and died.
        let mut message = [0; 32];
        while rustix::io::read(&missing.uffd, &mut message) == Err(Errno::AGAIN) {}
        assert_eq!(message[0], 0x12);
        uffd_wake_all(&missing.uffd);
        while rustix::io::read(&missing.uffd, &mut message) == Err(Errno::AGAIN) {}
        assert_eq!(message[0], 0x12);
        assert_eq!(uffd_copy(&missing.uffd, address, &vec![7; page_size()]), Ok(page_size() as u64));
        assert_eq!(waiting.join().ok(), Some(7));
    }

    #[test]
    fn what_is_registered_is_found_without_a_trace() {
        let missing = Missing::new(2);
        let page = page_size() as u64;
        assert_eq!(uffd_is_registered(&missing.uffd, missing.page(0), 2 * page), Ok(true));
        assert_eq!(uffd_is_registered(&missing.uffd, reserve(1), page), Ok(false));
        assert_eq!(uffd_zero(&missing.uffd, missing.page(0), 2 * page), Ok(2 * page));
    }
}
