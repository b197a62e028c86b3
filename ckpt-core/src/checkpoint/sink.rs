//! A writer of the caller's that takes an archive.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes the bytes of an archive one after the other, once the container runs again or is gone.
///
/// The last call is `flush`: that it succeeds says that all has arrived. Until then the container can still be restored
/// in place, so a writer whose reader may go away should not come back from it before the reader has everything.
#[derive(Clone)]
pub struct Sink(Arc<Mutex<dyn Write + Send>>);

impl Sink {
    /// `writer` should give an error once nobody reads any more.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Sink(Arc::new(Mutex::new(writer)))
    }
}

impl Write for &Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sink")
    }
}
