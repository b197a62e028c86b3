//! The archives of a restore, opened once and looked at before anything is read.

use std::fs::File;
use std::io;
use std::path::Path;

use super::error::RestoreError;
use super::options::RestoreOptions;
use super::trust::{self, TrustError};
use super::{checks, trusted_path};
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

/// Passes archives that a restore would take, for podman to restore them itself.
pub(super) fn check(options: &RestoreOptions, spool: &Path) -> Result<(), RestoreError> {
    let sources = Sources::open(options, spool)?;
    checks::check_privileges(options, &sources.dumps)
}

/// Opens the archive, and passes it unless the caller wants any archive.
pub(super) fn open(options: &RestoreOptions) -> Result<File, RestoreError> {
    match &options.import {
        Import::File(path) if !options.trust => Ok(open_trusted(path, options.caller)?),
        import => {
            let opened = CheckpointArchive::open_file(import)?;
            if !options.trust {
                trust::check(&opened, import.name(), options.caller)?;
            }
            Ok(opened)
        }
    }
}

/// Opens the archive at `path` by links of trusted users only, and passes it if one of them owns it.
fn open_trusted(path: &Path, caller: Option<u32>) -> Result<File, TrustError> {
    let users = trust::trusted_users(caller);
    let opened = trusted_path::open(path, |uid| users.contains(&uid))?;
    trust::check(&opened, path, caller)?;
    Ok(opened)
}

/// The same of the archive of an earlier pre-checkpoint, whose images are as good as the others.
fn open_previous(options: &RestoreOptions) -> Result<Option<File>, RestoreError> {
    let Some(path) = &options.import_previous else { return Ok(None) };
    let io_error = |call| move |source| ArchiveError::Io { call, path: path.clone(), source };
    let opened = match options.trust {
        true => Import::from(path).open().map_err(io_error("open"))?,
        false => open_trusted(path, options.caller)?,
    };
    // podman opens it again, and a FIFO would be waited for.
    if !opened.metadata().map_err(io_error("stat"))?.is_file() {
        return Err(io_error("read")(io::Error::other("it is no regular file")).into());
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
