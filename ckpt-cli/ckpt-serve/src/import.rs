//! An archive on its way from the client, through a pipe, to the thread of the restore.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use http_body_util::BodyExt;
use tokio::net::unix::pipe;

use crate::body::{Body, BodyError};

/// More than the kernel's default of 64 KiB, so that both ends seldom wait; it is what an unprivileged pipe may have
/// (`fs.pipe-max-size`).
const PIPE_BYTES: usize = 1 << 20;

/// Writes what comes, until nobody reads any more.
pub(crate) struct Pump(pipe::Sender);

/// Both ends.
pub(crate) fn pipe() -> io::Result<(Pump, File)> {
    let (sender, receiver) = pipe::pipe()?;
    // The owner of many pipes may get small ones only: that is slower, and no error.
    let _ = rustix::pipe::fcntl_setpipe_size(&sender, PIPE_BYTES);
    let receiver: OwnedFd = receiver.into_blocking_fd()?;
    Ok((Pump(sender), receiver.into()))
}

impl Pump {
    /// Writes all of `body`. If that breaks off, the pump is given back with the error, with its end of the pipe still
    /// open: what was written must not look like a whole archive.
    pub(crate) async fn all_of(self, mut body: Body) -> Result<(), (Pump, BodyError)> {
        while let Some(frame) = body.frame().await {
            let bytes = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Err((self, error)),
            };
            if self.write(&bytes).await.is_err() {
                // The restore has failed already, and says why.
                return Ok(());
            }
        }
        Ok(())
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.0.writable().await?;
            match self.0.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
