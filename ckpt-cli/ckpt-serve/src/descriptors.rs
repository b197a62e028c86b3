//! Descriptors that travel with the first byte of what is said on a UNIX socket: SCM_RIGHTS, unix(7).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use crate::protocol::MOST_DESCRIPTORS;

/// Those of one client. They are closed on a thread of their own: with a file of FUSE, that waits for who serves it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lent(Arc<Mutex<Closed>>);

#[derive(Debug, Default)]
struct Closed(Vec<OwnedFd>);

impl Drop for Closed {
    fn drop(&mut self) {
        let descriptors = std::mem::take(&mut self.0);
        if !descriptors.is_empty() {
            thread::spawn(move || drop(descriptors));
        }
    }
}

impl Lent {
    pub(crate) fn of(descriptors: Vec<OwnedFd>) -> Self {
        Lent(Arc::new(Mutex::new(Closed(descriptors))))
    }

    /// Sends them, with the beginning of `bytes`; gives how many of those went. They are taken from here then.
    pub(crate) fn send(&self, to: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut lent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = send(to, &lent.0, &[IoSlice::new(bytes)])?;
        drop(std::mem::take(&mut *lent));
        Ok(sent)
    }
}

/// Those that come with the next byte from the other end; it stays to be read.
pub(crate) fn peek(from: BorrowedFd<'_>) -> io::Result<Lent> {
    let (descriptors, _) = receive(from, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(Lent::of(descriptors))
}

/// Bytes from the other end, as many as there are and as fit, and the descriptors that come with the first of them.
pub(crate) fn receive(from: BorrowedFd<'_>, bytes: &mut [u8], flags: RecvFlags) -> io::Result<(Vec<OwnedFd>, usize)> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(from, &mut [IoSliceMut::new(bytes)], &mut control, flags | RecvFlags::CMSG_CLOEXEC)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok((rights.flatten().collect(), received.bytes))
}

/// Sends the beginning of `bytes`, and with it the descriptors.
pub(crate) fn send(to: BorrowedFd<'_>, descriptors: &[OwnedFd], bytes: &[IoSlice<'_>]) -> io::Result<usize> {
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "these are too many descriptors"));
    }
    Ok(sendmsg(to, bytes, &mut control, SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_are_there_before_the_first_byte_is_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(peek(theirs.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(send(ours.as_fd(), &[file.try_clone().unwrap().into()], &[IoSlice::new(b"POST")]).unwrap(), 4);
        let lent = peek(theirs.as_fd()).unwrap();
        theirs.read_exact(&mut [0; 4]).unwrap();
        // On to somebody else.
        let (to, from) = UnixStream::pair().unwrap();
        assert_eq!(lent.send(to.as_fd(), b"job").unwrap(), 3);
        let mut bytes = [0; 8];
        let (mut descriptors, count) = receive(from.as_fd(), &mut bytes, RecvFlags::empty()).unwrap();
        assert_eq!((&bytes[..count], descriptors.len()), (&b"job"[..], 1));
        File::from(descriptors.remove(0)).write_all(b"through").unwrap();
        let mut written = String::new();
        let mut file = file;
        file.rewind().unwrap();
        file.read_to_string(&mut written).unwrap();
        assert_eq!(written, "through");
    }

    #[test]
    fn who_sends_none_lends_none() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"GET").unwrap();
        assert!(peek(theirs.as_fd()).unwrap().0.lock().unwrap().0.is_empty());
    }
}
