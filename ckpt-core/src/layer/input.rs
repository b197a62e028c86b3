//! An archive opened to be read in place. A compressed one is unpacked first, beside the files that it is for, so that
//! they are cloned from there.

use std::cell::Cell;
use std::fs::File;
use std::path::Path;

use aligntar::Decompressed;

use crate::archive::ArchiveError;
use crate::archive::spool::{Counted, fill};

/// The archive at `path`; if it is compressed, in a file without a name in `folder`.
pub(super) fn open(path: &Path, folder: &Path) -> Result<File, ArchiveError> {
    let failed = |call| move |source| ArchiveError::Io { call, path: path.to_owned(), source };
    let opened = File::open(path).map_err(failed("open"))?;
    let taken = Cell::new(0);
    let stream = Decompressed::new(Counted { stream: &opened, taken: &taken }).map_err(failed("read"))?;
    let is_in_place = opened.metadata().map_err(failed("stat"))?.is_file();
    if is_in_place && stream.compression().is_none() {
        return Ok(opened);
    }
    let spooled = tempfile::tempfile_in(folder).map_err(failed("unpack"))?;
    let damaged = |source| ArchiveError::Decompress { path: path.to_owned(), source };
    fill(&spooled, folder, stream, path, &taken, damaged)?;
    Ok(spooled)
}
