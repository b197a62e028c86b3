//! Holes of the source (lseek(2), SEEK_DATA and SEEK_HOLE).

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::error::TransferError;
use super::span::Span;

/// What `span` begins with: data or a hole, up to the next change.
pub(crate) fn first_segment(source: &File, span: Span) -> io::Result<(Span, bool)> {
    let at = span.source_offset;
    let data = seek_to(source, SeekFrom::Data(at))?.unwrap_or(u64::MAX);
    let is_hole = data > at;
    let end = if is_hole { data } else { seek_to(source, SeekFrom::Hole(at))?.unwrap_or(u64::MAX) };
    Ok((span.part(0, (end - at).min(span.length)), is_hole))
}

/// Past its end a file looks as in a hole (ENXIO for both): one that shrank must not be taken for one that is sparse.
pub(super) fn check_end(source: &File, hole: Span) -> Result<(), TransferError> {
    let (start, end) = (hole.source_offset, hole.source_offset + hole.length);
    let size = source.metadata().map_err(|source| TransferError::Read { offset: start, source })?.len();
    if size < end {
        let offset = size.max(start);
        return Err(TransferError::SourceShrank { offset, missing: end - offset });
    }
    Ok(())
}

/// Whether `file` has fewer blocks than its size needs. Compressed files look sparse too; that costs two seeks.
pub(crate) fn may_have_holes(file: &File) -> io::Result<bool> {
    // st_blocks counts 512-byte units, stat(2).
    file.metadata().map(|metadata| metadata.blocks() * 512 < metadata.size())
}

/// `None` past the last data (ENXIO, lseek(2)).
fn seek_to(file: &File, position: SeekFrom) -> io::Result<Option<u64>> {
    match seek(file, position) {
        Ok(offset) => Ok(Some(offset)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
