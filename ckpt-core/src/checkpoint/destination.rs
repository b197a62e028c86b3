//! Where the archive ends up: in a file that gets its name at the end, or in a stream.

use std::path::Path;

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
            Export::Stdout => {
                let stdout = Stream::stdout(interrupt.cloned()).map_err(OutputError::Stdout)?;
                Ok(Destination::Stdout(stdout))
            }
        }
    }

    /// Syncs a file and gives it its name. A stream is done already.
    pub(super) fn publish(self) -> Result<(), OutputError> {
        match self {
            Destination::File(output) => output.publish(),
            Destination::Stdout(_) | Destination::Nameless(_) => Ok(()),
        }
    }
}
