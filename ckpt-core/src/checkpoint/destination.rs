//! Where the archive ends up: in a file that gets its name at the end, in one of the caller's, or in a stream.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::sink::Sink;
use super::stream::Stream;
use super::{Compression, Export};
use crate::host::interrupt::Interrupt;
use crate::host::output::{Output, OutputError};

/// The archive's last place.
#[derive(Debug)]
pub(crate) enum Destination {
    File(Output),
    /// Standard output: it cannot be sought, and its reader may be slow.
    Stdout(Stream),
    /// The caller's.
    Sink(Sink),
    /// The caller's.
    Opened(Arc<File>),
    /// A file that gets none.
    Nameless(Output),
}

impl Destination {
    /// `container` is the name that a file in a folder gets; one without a name is in the storage at `graph_root`.
    pub(super) fn open(
        export: &Export,
        container: &str,
        graph_root: &Path,
        compression: Compression,
        interrupt: Option<&Interrupt>,
    ) -> Result<Self, OutputError> {
        match export {
            Export::File(path) => Output::create(path).map(Destination::File),
            Export::Folder(folder) => {
                let name = format!("{container}.tar{}", compression.ending());
                Output::create(&folder.join(name)).map(Destination::File)
            }
            Export::Nameless => Output::create(&graph_root.join("ckpt-nameless.tar")).map(Destination::Nameless),
            Export::Sink(sink) => Ok(Destination::Sink(sink.clone())),
            Export::Opened(file) => Ok(Destination::Opened(file.clone())),
            Export::Stdout => {
                let stdout = Stream::stdout(interrupt.cloned()).map_err(OutputError::Stdout)?;
                Ok(Destination::Stdout(stdout))
            }
        }
    }

    /// Where the archive can be made at once; none where it has to be whole before it goes there.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Destination::File(output) | Destination::Nameless(output) => Some(output.file()),
            Destination::Opened(file) => Some(file),
            Destination::Stdout(_) | Destination::Sink(_) => None,
        }
    }

    /// Syncs a file and gives it its name. A stream is done already.
    pub(super) fn publish(self) -> Result<(), OutputError> {
        match self {
            Destination::File(output) => output.publish(),
            Destination::Stdout(_) | Destination::Sink(_) | Destination::Opened(_) | Destination::Nameless(_) => Ok(()),
        }
    }
}
