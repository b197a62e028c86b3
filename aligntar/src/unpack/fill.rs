//! Puts data into a new file.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::context::Context;
use super::dir_entry::InodeId;
use super::error::UnpackError;
use super::file_ref::FileRef;
use super::new_file::EmptyFile;
use crate::align::Alignment;
use crate::entry::Entry;
use crate::source::Source;
use crate::transfer::{ClonePolicy, Span, TransferError, Transferred, transfer};

/// Where data goes through memory, runs of zeros of this length become holes, at multiples of it. In bytes: well over
/// any file system's block, and short enough that to look for them costs nothing next to the writing.
const HOLE: usize = 64 * 1024;
static ZEROS: [u8; HOLE] = [0; HOLE];

/// Data that is ready to be written.
pub(super) enum Data {
    Memory(Vec<u8>),
    Spans { archive: Arc<File>, spans: Vec<Span> },
}

impl Data {
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Data::Memory(bytes) => Some(bytes),
            Data::Spans { .. } => None,
        }
    }
}

/// How data moves, and what becomes of a file that lacks one of its attributes.
#[derive(Clone, Copy)]
pub(super) struct FillPolicy {
    pub(super) fs_block: Alignment,
    pub(super) clone_policy: ClonePolicy,
    pub(super) imperfect: Imperfect,
}

/// What becomes of a file whose data is there, but not its owner, its mode, its times or one of its attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Imperfect {
    /// It is removed again.
    Discard,
    Keep,
}

impl Imperfect {
    /// What is wrong with a file that is to be kept; the error of one that is not.
    pub(super) fn judge(self, wrong: Vec<UnpackError>) -> Result<Vec<UnpackError>, UnpackError> {
        match self {
            Imperfect::Keep => Ok(wrong),
            Imperfect::Discard => wrong.into_iter().next().map_or(Ok(Vec::new()), Err),
        }
    }
}

/// A file with its data.
pub(super) struct Filled {
    pub(super) moved: Transferred,
    /// What could not be set.
    pub(super) wrong: Vec<UnpackError>,
}

impl EmptyFile {
    fn at(&self) -> Context<'_> {
        self.new.at()
    }

    /// Removes the file, so that nothing half-written stays under its final name.
    fn discard(&self) {
        self.new.dirent().discard(InodeId::of(&self.stat));
    }

    /// Puts in the data, then sets the attributes.
    pub(super) fn complete(&self, data: &Data, policy: FillPolicy) -> Result<Filled, UnpackError> {
        let moved = match data {
            Data::Memory(bytes) => self.write(bytes, 0),
            Data::Spans { archive, spans } => self.move_spans(archive, spans, policy),
        };
        moved.and_then(|moved| self.finish(moved, policy.imperfect)).inspect_err(|_| self.discard())
    }

    /// As [`EmptyFile::complete`], with data that is read while it is written.
    pub(super) fn complete_from<S: Source + ?Sized>(
        &self,
        entry: &Entry,
        source: &mut S,
        buffer: &mut Vec<u8>,
        imperfect: Imperfect,
    ) -> Result<Filled, UnpackError> {
        let moved = self.write_from(entry, source, buffer);
        moved.and_then(|moved| self.finish(moved, imperfect)).inspect_err(|_| self.discard())
    }

    fn write_from<S: Source + ?Sized>(
        &self,
        entry: &Entry,
        source: &mut S,
        buffer: &mut Vec<u8>,
    ) -> Result<Transferred, UnpackError> {
        let mut moved = Transferred::default();
        for span in entry.data_spans() {
            let mut done = 0;
            while done < span.length {
                let len = (span.length - done).min(4 * HOLE as u64) as usize;
                read(source, buffer, span.source_offset + done, len).map_err(|error| self.at().data_error(error))?;
                moved += self.write(buffer, span.target_offset + done)?;
                done += len as u64;
            }
        }
        Ok(moved)
    }

    fn move_spans(&self, archive: &File, spans: &[Span], policy: FillPolicy) -> Result<Transferred, UnpackError> {
        let mut moved = Transferred::default();
        for &span in spans {
            moved += transfer(archive, &self.file, span, policy.fs_block, policy.clone_policy)
                .map_err(|error| self.at().data_error(error))?;
        }
        Ok(moved)
    }

    /// Writes `bytes`, but for long runs of zeros.
    fn write(&self, bytes: &[u8], offset: u64) -> Result<Transferred, UnpackError> {
        let mut moved = Transferred::default();
        let mut at = 0;
        while at < bytes.len() {
            let is_hole = is_zero(bytes, at);
            let mut end = at;
            while end < bytes.len() && is_zero(bytes, end) == is_hole {
                end = bytes.len().min(end + HOLE);
            }
            if is_hole {
                moved.hole_bytes += (end - at) as u64;
            } else {
                let offset = offset + at as u64;
                let written = self.file.write_all_at(&bytes[at..end], offset);
                written.map_err(|source| self.at().data_error(TransferError::Write { offset, source }))?;
                moved.copied_bytes += (end - at) as u64;
            }
            at = end;
        }
        Ok(moved)
    }

    /// What did not move is holes. The file may still be too short for a hole at its end.
    fn finish(&self, mut moved: Transferred, imperfect: Imperfect) -> Result<Filled, UnpackError> {
        let size = self.new.size;
        moved.hole_bytes = size - moved.cloned_bytes - moved.copied_bytes;
        if moved.hole_bytes > 0 {
            rustix::fs::ftruncate(&self.file, size).map_err(self.at().failed("ftruncate"))?;
        }
        let wrong = self.new.attributes.give(self.at(), FileRef::Open(self.file.as_fd()), &self.stat);
        Ok(Filled { moved, wrong: imperfect.judge(wrong)? })
    }
}

fn is_zero(bytes: &[u8], at: usize) -> bool {
    let piece = &bytes[at..bytes.len().min(at + HOLE)];
    piece == &ZEROS[..piece.len()]
}

/// Makes `buffer` the `len` bytes of the archive from `offset`.
pub(super) fn read<S: Source + ?Sized>(
    source: &mut S,
    buffer: &mut Vec<u8>,
    offset: u64,
    len: usize,
) -> Result<(), TransferError> {
    buffer.resize(len, 0);
    source.read_exact_at(buffer, offset).map_err(|source| TransferError::Read { offset, source })
}
