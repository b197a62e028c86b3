//! A connection over a UNIX socket, as hyper reads and writes it.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::descriptors::Lent;
use crate::sys;

/// Bytes that are read at once at most.
const CHUNK: usize = 64 << 10;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Arc<UnixStream>,
    /// Whether all that hyper wanted written is in the socket.
    flushed: Arc<AtomicBool>,
    /// What goes with the first byte.
    lent: Option<Lent>,
}

/// Tells when the other end has read everything.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    socket: Arc<UnixStream>,
    flushed: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Wire { socket: Arc::new(socket), flushed: Arc::new(AtomicBool::new(true)), lent: None }
    }

    /// Whose first byte takes these descriptors along.
    pub(crate) fn lending(socket: UnixStream, lent: Lent) -> Self {
        Wire { lent: Some(lent), ..Wire::new(socket) }
    }

    pub(crate) fn receipt(&self) -> Receipt {
        Receipt { socket: self.socket.clone(), flushed: self.flushed.clone() }
    }

    /// The socket itself, for bytes that are no HTTP.
    pub(crate) fn into_socket(self) -> Arc<UnixStream> {
        self.socket
    }
}

impl Receipt {
    /// Whether the other end has read all that was written. It may have gone since.
    ///
    /// # Errors
    /// What ioctl(2) says.
    pub(crate) fn is_all_read(&self) -> io::Result<bool> {
        Ok(self.flushed.load(Ordering::Acquire) && sys::unread_bytes(self.socket.as_fd())? == 0)
    }
}

impl Read for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; CHUNK];
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            let room = into.remaining().min(CHUNK);
            match self.socket.try_read(&mut chunk[..room]) {
                Ok(count) => {
                    into.put_slice(&chunk[..count]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed.store(false, Ordering::Release);
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            let written = match &self.lent {
                Some(lent) => {
                    let first = bytes.iter().find(|bytes| !bytes.is_empty()).map_or(&[][..], |bytes| bytes);
                    self.socket.try_io(Interest::WRITABLE, || lent.send(self.socket.as_fd(), first))
                }
                None => self.socket.try_write_vectored(bytes),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.lent = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    /// hyper calls it when nothing is left in its own buffer.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed.store(true, Ordering::Release);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write) {
            // The other end is gone already.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(errno) => Poll::Ready(Err(errno.into())),
        }
    }
}
