//! A file of somebody else's that takes an archive.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

type GiveBack = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// An open file, which is empty, and whose owner syncs and names it.
#[derive(Clone)]
pub struct Loan {
    file: Arc<File>,
    give_back: Arc<GiveBack>,
}

impl Loan {
    /// `give_back` is called once the archive is whole, with what its file would be called: the container's name, and an
    /// ending. An error of it says that nobody keeps the archive: the container is restored in place then, if it was stopped.
    pub fn new(file: File, give_back: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Loan { file: Arc::new(file), give_back: Arc::new(give_back) }
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Has the owner keep it, under `name` if it is one of several.
    ///
    /// # Errors
    /// Why nobody keeps it.
    pub fn give_back(&self, name: &str) -> io::Result<()> {
        (self.give_back)(name)
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Loan").field(&self.file).finish()
    }
}
