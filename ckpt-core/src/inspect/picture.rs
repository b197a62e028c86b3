//! All that there is to show of an archive on one page.

mod changes;
mod rights;
mod shares;

use std::path::Path;

use serde::Serialize;

use super::contents::{Inspection, look};
use crate::archive::{CheckpointArchive, Import};
use crate::inside::{InsideError, Sections};
pub use changes::{Changes, SizedPath};
pub use rights::{Port, Rights};
pub use shares::Share;

/// What an archive is, and where its bytes are.
#[derive(Clone, Debug, Serialize)]
pub struct Picture {
    /// What it holds, all parts of what went on in it included.
    pub inspection: Inspection,
    /// Where its bytes are, the largest first.
    pub shares: Vec<Share>,
    /// What its container may do, in all: also what every container may.
    pub rights: Rights,
    /// What the container has changed in its image's files.
    pub changes: Changes,
}

/// Looks at an archive from all sides; with `environment`, at those of its processes as well, which may hold secrets.
///
/// # Errors
/// [`InsideError`].
pub fn picture(import: &Import, spool: &Path, environment: bool) -> Result<Picture, InsideError> {
    let path = import.name();
    let archive = CheckpointArchive::read(CheckpointArchive::open_file(import)?, path, spool, None)?;
    let inspection = look(&archive, &Sections { environment, ..Sections::all() })?;
    let (mut shares, mut changes) = shares::of_files(&archive)?;
    shares.extend(shares::of_memory(&archive, inspection.inside.processes.as_deref().unwrap_or_default()));
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    changes.add_deleted(archive.supplement()?.deleted.iter().map(|path| path.as_path()));
    Ok(Picture { rights: rights::of(&archive)?, shares, changes, inspection })
}
