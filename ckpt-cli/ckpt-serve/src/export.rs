//! An archive on its way to the client: written by the thread of the checkpoint, read by the connection.
//!
//! The thread goes on only when the client has read everything, and the client gets the end of the archive only when
//! the checkpoint has succeeded. So both know the same, up to the very end.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep};

use crate::body::BodyError;
use crate::operations::RaiseOnDrop;
use crate::wire::Receipt;

/// Pieces that wait for the connection.
const WAITING: usize = 2;

/// How often is looked whether the client has read everything: nothing tells.
const LOOK: Duration = Duration::from_millis(2);

enum Piece {
    Data(Bytes),
    /// All is written; to be told when all is read.
    End(oneshot::Sender<()>),
}

/// The thread's end.
pub(crate) struct Writer(mpsc::Sender<Piece>);

/// The connection's end, before the first byte.
pub(crate) struct Reader(mpsc::Receiver<Piece>);

pub(crate) fn channel() -> (Writer, Reader) {
    let (writer, reader) = mpsc::channel(WAITING);
    (Writer(writer), Reader(reader))
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone away")
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Piece::Data(Bytes::copy_from_slice(bytes));
        self.0.blocking_send(piece).map_err(|_| gone())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let (told, read) = oneshot::channel();
        self.0.blocking_send(Piece::End(told)).map_err(|_| gone())?;
        read.blocking_recv().map_err(|_| gone())
    }
}

impl Reader {
    /// The archive, once its first byte is there; `outcome` says in the end whether the checkpoint succeeded, and
    /// `raiser` interrupts it if the client goes before. None if there is no archive.
    pub(crate) async fn archive(
        mut self,
        outcome: oneshot::Receiver<bool>,
        raiser: RaiseOnDrop,
        receipt: Receipt,
    ) -> Option<Archive> {
        match self.0.recv().await? {
            Piece::Data(first) => {
                let pieces = self.0;
                Some(Archive { first: Some(first), pieces, state: State::Data, outcome, receipt, _raiser: raiser })
            }
            // An archive is not empty.
            Piece::End(_) => None,
        }
    }
}

enum State {
    Data,
    /// The client still has to read some of it.
    Unread(Option<oneshot::Sender<()>>, Pin<Box<Sleep>>),
    Read,
}

/// The body of an answer.
pub(crate) struct Archive {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Piece>,
    state: State,
    outcome: oneshot::Receiver<bool>,
    receipt: Receipt,
    _raiser: RaiseOnDrop,
}

impl Body for Archive {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Data => {
                    if let Some(first) = this.first.take() {
                        return Poll::Ready(Some(Ok(Frame::data(first))));
                    }
                    match ready!(this.pieces.poll_recv(cx)) {
                        Some(Piece::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        // The first look comes after hyper had time to write what it has.
                        Some(Piece::End(told)) => this.state = State::Unread(Some(told), Box::pin(sleep(LOOK))),
                        None => this.state = State::Read,
                    }
                }
                State::Unread(told, pause) => {
                    ready!(pause.as_mut().poll(cx));
                    if this.receipt.is_all_read().map_err(BodyError::Look)? {
                        let _ = told.take().map(|told| told.send(()));
                        this.state = State::Read;
                    } else {
                        *pause = Box::pin(sleep(LOOK));
                    }
                }
                State::Read => {
                    return Poll::Ready(match ready!(Pin::new(&mut this.outcome).poll(cx)) {
                        Ok(true) => None,
                        _ => Some(Err(BodyError::Failed)),
                    });
                }
            }
        }
    }
}
