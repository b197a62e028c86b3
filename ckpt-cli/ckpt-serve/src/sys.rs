//! System calls that no safe library has.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Takes the descriptor `number`, which a parent has passed on, as systemd does.
///
/// # Errors
/// EBADF if it is not open.
pub(crate) fn take_inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: only asks; a number that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nobody else has it: this is called once, before this program opens anything that could
    // get the number, and standard input, output and error have lower ones.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// How many bytes written to the UNIX socket have not been read at its other end: SIOCOUTQ, which is TIOCOUTQ,
/// linux/sockios.h. 0 once that is closed.
///
/// # Errors
/// What ioctl(2) says.
pub(crate) fn unread_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut unread = MaybeUninit::<libc::c_int>::uninit();
    // SAFETY: the request writes one `int`, which `unread` has room for.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, unread.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it succeeded, and so has written it.
    Ok(u64::try_from(unsafe { unread.assume_init() }).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_the_other_end_has_not_read_is_counted() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(unread_bytes(ours.as_fd()).unwrap(), 0);
        ours.write_all(b"words").unwrap();
        assert!(unread_bytes(ours.as_fd()).unwrap() > 0);
        theirs.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(unread_bytes(ours.as_fd()).unwrap(), 0);
    }

    #[test]
    fn a_descriptor_that_nobody_passed_on_is_an_error() {
        assert!(take_inherited(1_000_000).is_err());
    }
}
