//! Memory whose pages are missing, see ioctl_userfaultfd(2).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::ptr;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, UserfaultfdFlags, mmap_anonymous, userfaultfd};

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
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

/// `struct uffdio_copy`, linux/userfaultfd.h.
#[repr(C)]
struct UffdioCopy {
    to: u64,
    from: u64,
    length: u64,
    mode: u64,
    copied: i64,
}

/// `UFFDIO`, and the version of the interface, `UFFD_API`.
const UFFDIO: u8 = 0xaa;
const UFFDIO_API: Opcode = opcode::read_write::<UffdioApi>(UFFDIO, 0x3f);
const UFFDIO_REGISTER: Opcode = opcode::read_write::<UffdioRegister>(UFFDIO, 0x00);
const UFFDIO_COPY: Opcode = opcode::read_write::<UffdioCopy>(UFFDIO, 0x03);
/// `UFFDIO_REGISTER_MODE_MISSING`.
const MISSING: u64 = 1;

/// Of this process. It stays mapped.
pub(crate) struct Missing {
    uffd: OwnedFd,
    start: u64,
    length: u64,
}

impl Missing {
    /// `length` bytes, whole pages.
    pub(crate) fn new(length: u64) -> io::Result<Self> {
        let (flags, protection) = (UserfaultfdFlags::CLOEXEC, ProtFlags::READ | ProtFlags::WRITE);
        let size = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // SAFETY: a new mapping where the kernel likes, to which nobody has a reference, and a descriptor that serves it.
        let (uffd, start) = unsafe {
            (userfaultfd(flags)?, mmap_anonymous(ptr::null_mut(), size, protection, MapFlags::PRIVATE)?.addr() as u64)
        };
        let mut api = UffdioApi { api: UFFDIO.into(), features: 0, ioctls: 0 };
        let mut register = UffdioRegister { start, length, mode: MISSING, ioctls: 0 };
        // SAFETY: each reads and writes one structure of C layout, which `Updater` passes by pointer.
        unsafe {
            ioctl(&uffd, Updater::<UFFDIO_API, UffdioApi>::new(&mut api))?;
            ioctl(&uffd, Updater::<UFFDIO_REGISTER, UffdioRegister>::new(&mut register))?;
        }
        Ok(Missing { uffd, start, length })
    }

    /// Bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Puts pages that are missing, `offset` bytes behind the first.
    pub(crate) fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (from, length) = (bytes.as_ptr().addr() as u64, bytes.len() as u64);
        let mut copy = UffdioCopy { to: self.start + offset, from, length, mode: 0, copied: 0 };
        // SAFETY: it reads and writes one `uffdio_copy`, which `Updater` passes by pointer, and reads `bytes`, which are
        // borrowed until it returns. It writes to missing pages of a registered range alone.
        unsafe { ioctl(&self.uffd, Updater::<UFFDIO_COPY, UffdioCopy>::new(&mut copy)) }?;
        Ok(())
    }
}
