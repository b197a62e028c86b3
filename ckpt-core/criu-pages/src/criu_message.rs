//! Messages of CRIU, and what comes with them.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, Shutdown, recvmsg, shutdown};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::failure::Failure;
use crate::sys;

/// What came with the bytes.
pub(crate) struct Message {
    pub(crate) bytes: usize,
    pub(crate) descriptor: Option<OwnedFd>,
    pub(crate) sender: Option<Pid>,
}

/// Some bytes and what came with them, if there are any now.
pub(crate) fn receive(connection: BorrowedFd<'_>, bytes: &mut [u8]) -> Result<Option<Message>, Failure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = match recvmsg(connection, &mut [IoSliceMut::new(bytes)], &mut ancillary, flags) {
        Ok(received) if received.bytes == 0 => return Err(Failure::CriuEnded),
        Ok(received) => received,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(Errno::CONNRESET) => return Err(Failure::CriuEnded),
        Err(source) => return Err(Failure::Receive { source }),
    };
    let mut message = Message { bytes: received.bytes, descriptor: None, sender: None };
    for part in ancillary.drain() {
        match part {
            RecvAncillaryMessage::ScmRights(descriptors) => message.descriptor = descriptors.last(),
            RecvAncillaryMessage::ScmCredentials(credentials) => message.sender = Some(credentials.pid),
            _ => {}
        }
    }
    Ok(Some(message))
}

/// Processes that have handed over memory, or were about to, and that nobody serves: those whose messages were not taken
/// yet. None can send any more.
///
/// Their descriptors stay open, as they are in nobody's hands but these.
pub(crate) fn unheard_processes(connection: BorrowedFd<'_>) -> Vec<OwnedFd> {
    // Whoever sends from now on is told that nobody listens; what was sent can be read.
    let _ = shutdown(connection, Shutdown::Read);
    let mut processes = Vec::new();
    while let Ok(Some(message)) = receive(connection, &mut [0]) {
        if let Some(descriptor) = message.descriptor {
            sys::keep_open(descriptor);
        }
        processes.extend(message.sender.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()));
    }
    processes
}
