//! What the C library's calls leave behind.

use std::io;

use rustix::io::Errno;

pub(super) fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
