//! Where the archive ends up: in a file that gets its name at the end, or in a stream.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::{Compression, Export};
use crate::output::{Output, OutputError};

/// The archive's last place.
#[derive(Debug)]
pub(crate) enum Destination {
    File(Output),
    /// Standard output. It only goes forward, and whoever reads it may do so slowly.
    Stdout(File),
}

impl Destination {
    /// `container` is the name that a file in a folder gets.
    pub(super) fn open(export: &Export, container: &str, compression: Compression) -> Result<Self, OutputError> {
        match export {
            Export::File(path) => Output::create(path).map(Destination::File),
            Export::Folder(folder) => {
                let name = format!("{container}.tar{}", compression.ending());
                Output::create(&folder.join(name)).map(Destination::File)
            }
            Export::Stdout => {
                let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(OutputError::Stdout)?;
                Ok(Destination::Stdout(stdout.into()))
            }
        }
    }

    /// Syncs a file and gives it its name; a stream has its bytes already.
    pub(super) fn publish(self) -> Result<(), OutputError> {
        match self {
            Destination::File(output) => output.publish(),
            Destination::Stdout(_) => Ok(()),
        }
    }
}
