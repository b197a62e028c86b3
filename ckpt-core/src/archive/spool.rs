//! An archive that cannot be read in place, for it comes through a pipe or is compressed: a nameless file takes it in.
//! Offsets stay the same, so that data which lies on blocks can be cloned from there.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::ArchiveError;

/// Unit in which zeros become holes, bytes.
const CHUNK: usize = 64 * 1024;

/// Takes `stream` in to its end, in a nameless file in `folder`; runs of zeros become holes. What cannot be read is what
/// `read_error` makes of it, `name` is the stream's for messages.
pub(super) fn spool(
    folder: &Path,
    mut stream: impl Read,
    name: &Path,
    read_error: impl Fn(std::io::Error) -> ArchiveError,
) -> Result<File, ArchiveError> {
    let spool_error = |source| ArchiveError::Spool { path: name.to_owned(), folder: folder.to_owned(), source };
    let spool = tempfile::tempfile_in(folder).map_err(spool_error)?;
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut offset = 0;
    while stream.by_ref().take(CHUNK as u64).read_to_end(&mut chunk).map_err(&read_error)? > 0 {
        if chunk.iter().any(|&byte| byte != 0) {
            spool.write_all_at(&chunk, offset).map_err(spool_error)?;
        }
        offset += chunk.len() as u64;
        chunk.clear();
    }
    spool.set_len(offset).map_err(spool_error)?;
    Ok(spool)
}
