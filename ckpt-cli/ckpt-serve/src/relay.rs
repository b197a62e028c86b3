//! Bytes in both directions, once a connection speaks HTTP no more: a terminal, or the output of a process.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Bytes;
use rustix::net::Shutdown;
use tokio::net::UnixStream;

/// Bytes that are moved at once; there can be many terminals.
const CHUNK: usize = 16 << 10;

/// An end of a connection, with what was read of it already.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) socket: Arc<UnixStream>,
    pub(crate) read: Bytes,
}

/// Moves bytes until podman has said everything. That the client says no more is passed on.
pub(crate) async fn relay(client: End, podman: End) {
    let (to_client, to_podman) = (client.socket.clone(), podman.socket.clone());
    let said_by_client = async {
        let _ = pump(client, to_podman).await;
        pending::<()>().await;
    };
    tokio::select! {
        // What goes wrong with one end, the other sees as the end of the connection: there is nobody else to tell.
        _ = pump(podman, to_client) => {}
        () = said_by_client => {}
    }
}

/// Moves what `from` says to `to`, until one of them has ended.
///
/// Boxed, since the compiler does not see otherwise that all of it may go to another thread.
fn pump(from: End, to: Arc<UnixStream>) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> {
    Box::pin(async move {
        write_all(&to, &from.read).await?;
        loop {
            from.socket.readable().await?;
            let mut chunk = [0; CHUNK];
            match from.socket.try_read(&mut chunk) {
                Ok(0) => return Ok(rustix::net::shutdown(&to, Shutdown::Write)?),
                Ok(count) => write_all(&to, &chunk[..count]).await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    })
}

pub(crate) async fn write_all(to: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
