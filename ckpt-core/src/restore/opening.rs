//! The archives of a restore, opened once and looked at before anything is read.

use std::fs::File;
use std::io;
use std::path::Path;

use super::error::RestoreError;
use super::options::RestoreOptions;
use super::{checks, trust};
use crate::archive::dumps::Dumps;
use crate::archive::{ArchiveError, CheckpointArchive, ContainerConfig, Import};

/// The archives, and what the one to restore says of its container.
pub(super) struct Sources {
    pub(super) archive: CheckpointArchive,
    /// Of the pre-checkpoint that it builds on.
    pub(super) previous: Option<File>,
    pub(super) config: ContainerConfig,
    pub(super) dumps: Dumps,
}

impl Sources {
    /// What cannot be read in place is unpacked into a nameless file in `spool`.
    pub(super) fn open(options: &RestoreOptions, spool: &Path) -> Result<Self, RestoreError> {
        let (opened, previous) = (open(options)?, open_previous(options)?);
        let archive = CheckpointArchive::read(opened, options.import.name(), spool, options.interrupt.as_ref())?;
        checks::check_maker(&archive)?;
        checks::check_previous(previous.as_ref(), &archive)?;
        let config = archive.config()?;
        checks::check_config(&config)?;
        let dumps = Dumps::of(&archive)?;
        Ok(Sources { archive, previous, config, dumps })
    }
}

/// Opens the archive, and passes it unless the caller wants any archive.
pub(super) fn open(options: &RestoreOptions) -> Result<File, RestoreError> {
    let opened = CheckpointArchive::open_file(&options.import)?;
    if !options.trust {
        trust::check(&opened, options.import.name(), options.caller)?;
    }
    Ok(opened)
}

/// The same of the archive of an earlier pre-checkpoint, whose images are as good as the others.
fn open_previous(options: &RestoreOptions) -> Result<Option<File>, RestoreError> {
    let Some(path) = &options.import_previous else { return Ok(None) };
    let io_error = |call| move |source| ArchiveError::Io { call, path: path.clone(), source };
    let opened = Import::from(path).open().map_err(io_error("open"))?;
    // podman opens it again, and a FIFO would be waited for.
    if !opened.metadata().map_err(io_error("stat"))?.is_file() {
        return Err(io_error("read")(io::Error::other("it is no regular file")).into());
    }
    if !options.trust {
        trust::check(&opened, path, options.caller)?;
    }
    Ok(Some(opened))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_for_an_earlier_archive_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let options = RestoreOptions { import_previous: Some(path), trust: true, ..RestoreOptions::default() };
        let refused = open_previous(&options).unwrap_err();
        assert!(matches!(refused, RestoreError::Archive(ArchiveError::Io { call: "read", .. })), "{refused:?}");
    }
}
