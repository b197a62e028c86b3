//! An archive that is far from the storage, brought there once for all that is made of it.

use std::fs::File;
use std::path::Path;

use aligntar::{Alignment, ClonePolicy, Span, transfer};

use super::error::RestoreError;
use crate::archive::CheckpointArchive;
use crate::engine::storage;

/// The archive, whose files can be cloned into the storage at `graph_root` if the storage clones at all: where it lies,
/// or else in a nameless copy there.
pub(super) fn bring(archive: CheckpointArchive, graph_root: &Path) -> Result<CheckpointArchive, RestoreError> {
    let near = tempfile::tempfile_in(graph_root)
        .map_err(|source| RestoreError::Stage { folder: graph_root.to_owned(), source })?;
    if clones(archive.file(), &near) || !storage::can_clone(graph_root, &near)? {
        return Ok(archive);
    }
    copy(archive.file(), &near, graph_root)?;
    Ok(archive.moved_to(near))
}

/// Whether `archive` can be cloned into `near`: tried with the first block.
fn clones(archive: &File, near: &File) -> bool {
    let block = Alignment::of(near).unwrap_or(Alignment::DEFAULT);
    let span = Span { source_offset: 0, target_offset: 0, length: block.bytes() };
    transfer(archive, near, span, block, ClonePolicy::Required).is_ok()
}

fn copy(archive: &File, near: &File, graph_root: &Path) -> Result<(), RestoreError> {
    let io_error = |source| RestoreError::Stage { folder: graph_root.to_owned(), source };
    let length = archive.metadata().map_err(io_error)?.len();
    let span = Span { source_offset: 0, target_offset: 0, length };
    let block = Alignment::of(near).unwrap_or(Alignment::DEFAULT);
    transfer(archive, near, span, block, ClonePolicy::IfPossible).map_err(RestoreError::Bring)?;
    near.set_len(length).map_err(io_error)
}
