//! Where the archive ends up: in a file that gets its name at the end, in one of somebody else's, or in a stream.

use std::fs::File;
use std::path::Path;

use super::loan::Loan;
use super::sink::Sink;
use super::stream::Stream;
use super::{Compression, Export};
use crate::archive::encryption::{ENDING, Recipients};
use crate::host::interrupt::Interrupt;
use crate::host::output::{Output, OutputError};

/// The archive's last place.
#[derive(Debug)]
pub(crate) enum Destination {
    File(Output),
    /// The same, encrypted.
    Sealed(Output, Recipients),
    /// Standard output, or a pipe: it cannot be sought, and its reader may be slow.
    Stream(Stream),
    /// The caller's.
    Sink(Sink),
    /// Somebody else's, and what its file would be called.
    Lent(Loan, String),
    /// A file that gets none.
    Nameless(Output),
}

impl Destination {
    /// `container` is the name that a file in a folder gets; one without a name is in the storage at `graph_root`.
    pub(super) fn open(
        export: &Export,
        container: &str,
        graph_root: &Path,
        packing: (Compression, Option<&Recipients>),
        interrupt: Option<&Interrupt>,
    ) -> Result<Self, OutputError> {
        let (compression, recipients) = packing;
        let age = recipients.map_or_else(String::new, |_| format!(".{ENDING}"));
        let name = format!("{container}.tar{}{age}", compression.ending());
        let file = |path: &Path| {
            Ok(match (Output::create(path)?, recipients) {
                (output, Some(recipients)) => Destination::Sealed(output, recipients.clone()),
                (output, None) => Destination::File(output),
            })
        };
        match export {
            _ if recipients.is_some() && !matches!(export, Export::File(_) | Export::Folder(_)) => {
                Err(OutputError::Unsealed)
            }
            Export::File(path) => file(path),
            Export::Folder(folder) => file(&folder.join(name)),
            Export::Nameless => Output::create(&graph_root.join("ckpt-nameless.tar")).map(Destination::Nameless),
            Export::Sink(sink) => Ok(Destination::Sink(sink.clone())),
            Export::Lent(loan) => Ok(Destination::Lent(loan.clone(), name)),
            Export::Stdout => {
                let stdout = Stream::stdout(interrupt.cloned()).map_err(OutputError::Stdout)?;
                Ok(Destination::Stream(stdout))
            }
            Export::Pipe(pipe) => {
                let pipe = pipe.try_clone().and_then(|pipe| Stream::of(pipe, interrupt.cloned()));
                Ok(Destination::Stream(pipe.map_err(OutputError::Pipe)?))
            }
        }
    }

    /// Where the archive can be made at once; none where it has to be whole before it goes there.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Destination::File(output) | Destination::Nameless(output) => Some(output.file()),
            Destination::Lent(loan, _) => Some(loan.file()),
            Destination::Sealed(..) | Destination::Stream(_) | Destination::Sink(_) => None,
        }
    }

    /// Syncs a file and gives it its name, or has its owner do so. A stream is done already.
    pub(super) fn publish(self) -> Result<(), OutputError> {
        match self {
            Destination::File(output) | Destination::Sealed(output, _) => output.publish(),
            Destination::Lent(loan, name) => loan.give_back(&name).map_err(OutputError::Lent),
            Destination::Stream(_) | Destination::Sink(_) | Destination::Nameless(_) => Ok(()),
        }
    }
}
