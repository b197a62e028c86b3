//! Moving file data: clone, else copy_file_range, else read and write; every byte counted by how it moved.

use std::fs::File;
use std::io;
use std::ops::{AddAssign, Sub};
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{SeekFrom, copy_file_range, seek};
use rustix::io::Errno;

use crate::align::Alignment;
use crate::sys;

/// Whether data may, or must, be cloned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClonePolicy {
    /// Read and write every byte, also where the kernel could share blocks.
    Never,
    /// Clone where the file system can, copy where it cannot.
    #[default]
    IfPossible,
    /// Fail rather than copy a whole block.
    Required,
}

/// What moved, in bytes; every byte counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Shared with the source, no data was moved.
    pub cloned_bytes: u64,
    /// Copied, by the kernel or through memory.
    pub copied_bytes: u64,
    /// Holes of the source that stayed holes.
    pub hole_bytes: u64,
    /// Calls of FICLONERANGE that succeeded.
    pub clone_calls: u64,
}

impl AddAssign for Transferred {
    fn add_assign(&mut self, other: Self) {
        self.cloned_bytes += other.cloned_bytes;
        self.copied_bytes += other.copied_bytes;
        self.hole_bytes += other.hole_bytes;
        self.clone_calls += other.clone_calls;
    }
}

impl Sub for Transferred {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Transferred {
            cloned_bytes: self.cloned_bytes - earlier.cloned_bytes,
            copied_bytes: self.copied_bytes - earlier.copied_bytes,
            hole_bytes: self.hole_bytes - earlier.hole_bytes,
            clone_calls: self.clone_calls - earlier.clone_calls,
        }
    }
}

/// Why data did not get from one file to the other.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// [`ClonePolicy::Required`], and offsets that are no multiples of the block size.
    #[error("cannot clone from offset {source_offset} to {target_offset}: not on blocks of {fs_block} bytes")]
    Unaligned {
        /// In the source, bytes.
        source_offset: u64,
        /// In the target, bytes.
        target_offset: u64,
        /// Bytes.
        fs_block: u64,
    },
    /// [`ClonePolicy::Required`], and a file system that does not clone, or FICLONERANGE failed for a real reason.
    #[error("FICLONERANGE of {length} bytes from offset {source_offset} to {target_offset}")]
    Clone {
        /// In the source, bytes.
        source_offset: u64,
        /// In the target, bytes.
        target_offset: u64,
        /// Bytes.
        length: u64,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// The source ended before `length` bytes were read: it was truncated meanwhile.
    #[error("the source ended at offset {offset}, {missing} bytes early: it changed while it was read")]
    SourceShrank {
        /// Where the source ended.
        offset: u64,
        /// Bytes that should have followed.
        missing: u64,
    },
    /// Reading the source failed.
    #[error("read at offset {offset}")]
    Read {
        /// In the source, bytes.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Writing the target failed.
    #[error("write at offset {offset}")]
    Write {
        /// In the target, bytes.
        offset: u64,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// A range of a source file and where it goes in a target file; all in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// First byte in the source.
    pub source_offset: u64,
    /// First byte in the target.
    pub target_offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Span {
    fn part(self, skip: u64, length: u64) -> Span {
        Span { source_offset: self.source_offset + skip, target_offset: self.target_offset + skip, length }
    }
}

/// Buffer of the copy through memory, in bytes.
const COPY_BUFFER: u64 = 256 * 1024;

/// Moves `span` from `source` to `target`: whole blocks by clone where offsets and file system allow it, the rest by
/// copy. Holes of the source are skipped, so the target must read as zeros there; its size may stay short of the
/// span's end where the source ends in a hole.
///
/// # Errors
/// [`TransferError`]. "Cannot clone here" is one only under [`ClonePolicy::Required`].
pub fn transfer(
    source: &File,
    target: &File,
    span: Span,
    fs_block: Alignment,
    policy: ClonePolicy,
) -> Result<Transferred, TransferError> {
    let read_error = |source| TransferError::Read { offset: span.source_offset, source };
    if !may_have_holes(source).map_err(read_error)? {
        return transfer_data(source, target, span, fs_block, policy);
    }
    let mut moved = Transferred::default();
    let mut done = 0;
    while done < span.length {
        let rest = span.part(done, span.length - done);
        let (segment, is_hole) = first_segment(source, rest).map_err(read_error)?;
        if is_hole {
            check_end(source, segment)?;
            moved.hole_bytes += segment.length;
        } else {
            moved += transfer_data(source, target, segment, fs_block, policy)?;
        }
        done += segment.length;
    }
    Ok(moved)
}

/// What `span` begins with: data or a hole, up to the next change.
fn first_segment(source: &File, span: Span) -> io::Result<(Span, bool)> {
    let at = span.source_offset;
    let data = seek_to(source, SeekFrom::Data(at))?.unwrap_or(u64::MAX);
    let is_hole = data > at;
    let end = if is_hole { data } else { seek_to(source, SeekFrom::Hole(at))?.unwrap_or(u64::MAX) };
    Ok((span.part(0, (end - at).min(span.length)), is_hole))
}

/// Past its end a file looks as in a hole (ENXIO for both): one that shrank must not be taken for one that is sparse.
fn check_end(source: &File, hole: Span) -> Result<(), TransferError> {
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

fn transfer_data(
    source: &File,
    target: &File,
    span: Span,
    fs_block: Alignment,
    policy: ClonePolicy,
) -> Result<Transferred, TransferError> {
    let whole_blocks = fs_block.align_down(span.length);
    let mut cloned_bytes = 0;
    if policy != ClonePolicy::Never && whole_blocks > 0 {
        let clone = span.part(0, whole_blocks);
        if try_clone(source, target, clone, fs_block, policy)? {
            cloned_bytes = whole_blocks;
        }
    }
    let rest = span.part(cloned_bytes, span.length - cloned_bytes);
    copy(source, target, rest, policy)?;
    Ok(Transferred { cloned_bytes, copied_bytes: rest.length, hole_bytes: 0, clone_calls: u64::from(cloned_bytes > 0) })
}

/// Whether `span` was cloned; `false` where these files cannot share blocks.
fn try_clone(
    source: &File,
    target: &File,
    span: Span,
    fs_block: Alignment,
    policy: ClonePolicy,
) -> Result<bool, TransferError> {
    let Span { source_offset, target_offset, length } = span;
    if !fs_block.is_aligned(source_offset) || !fs_block.is_aligned(target_offset) {
        return match policy {
            ClonePolicy::Required => {
                Err(TransferError::Unaligned { source_offset, target_offset, fs_block: fs_block.bytes() })
            }
            _ => Ok(false),
        };
    }
    match sys::clone_range(source, source_offset, length, target, target_offset) {
        Ok(()) => Ok(true),
        Err(errno) if policy != ClonePolicy::Required && means_cannot_clone(errno) => Ok(false),
        Err(source) => Err(TransferError::Clone { source_offset, target_offset, length, source }),
    }
}

/// Makes `target` the whole of `source` by clone, of one moment; gives its size in bytes.
pub(crate) fn clone_whole(source: &File, target: &File) -> io::Result<u64> {
    // What is behind the source's end would stay.
    target.set_len(0)?;
    rustix::fs::ioctl_ficlone(target, source)?;
    target.metadata().map(|metadata| metadata.size())
}

/// ioctl_ficlonerange(2): answers that say "not these files", not "this went wrong".
fn means_cannot_clone(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS | Errno::PERM | Errno::TXTBSY
    )
}

fn copy(source: &File, target: &File, span: Span, policy: ClonePolicy) -> Result<(), TransferError> {
    let done = match policy {
        // Btrfs and XFS share blocks in copy_file_range as well; "never" means never.
        ClonePolicy::Never => 0,
        _ => copy_in_kernel(source, target, span)?,
    };
    copy_through_memory(source, target, span.part(done, span.length - done))
}

/// Copies with copy_file_range(2) for as long as the kernel will; gives the bytes done.
fn copy_in_kernel(source: &File, target: &File, span: Span) -> Result<u64, TransferError> {
    let (mut from, mut to) = (span.source_offset, span.target_offset);
    let end = span.source_offset + span.length;
    while from < end {
        let want = usize::try_from(end - from).unwrap_or(usize::MAX);
        match copy_file_range(source, Some(&mut from), target, Some(&mut to), want) {
            // Zero is the end of the source, or a file system whose files have no size: reading decides.
            Ok(0) | Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::BADF | Errno::PERM) => {
                break;
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(TransferError::Write { offset: to, source: errno.into() }),
        }
    }
    Ok(from - span.source_offset)
}

fn copy_through_memory(source: &File, target: &File, span: Span) -> Result<(), TransferError> {
    let mut buffer = vec![0; span.length.min(COPY_BUFFER) as usize];
    let mut done = 0;
    while done < span.length {
        let part = span.part(done, (span.length - done).min(COPY_BUFFER));
        let chunk = &mut buffer[..part.length as usize];
        read_exact_at(source, chunk, part.source_offset)?;
        target
            .write_all_at(chunk, part.target_offset)
            .map_err(|source| TransferError::Write { offset: part.target_offset, source })?;
        done += part.length;
    }
    Ok(())
}

/// Fills `buffer` from `offset`; a file that is too short is [`TransferError::SourceShrank`].
pub(crate) fn read_exact_at(source: &File, buffer: &mut [u8], offset: u64) -> Result<(), TransferError> {
    let mut filled = 0;
    while filled < buffer.len() {
        let at = offset + filled as u64;
        match source.read_at(&mut buffer[filled..], at) {
            Ok(0) => return Err(TransferError::SourceShrank { offset: at, missing: (buffer.len() - filled) as u64 }),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(TransferError::Read { offset: at, source }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    const MIB: u64 = 1 << 20;

    fn whole(length: u64) -> Span {
        Span { source_offset: 0, target_offset: 0, length }
    }

    fn bytes_of(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn holes_stay_holes() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all_at(&[1; 5000], 4 * MIB).unwrap();
        source.set_len(9 * MIB).unwrap();
        let moved = transfer(&source, &target, whole(9 * MIB), Alignment::DEFAULT, ClonePolicy::IfPossible).unwrap();
        assert_eq!(moved.cloned_bytes + moved.copied_bytes + moved.hole_bytes, 9 * MIB);
        assert!(moved.hole_bytes >= 8 * MIB, "{moved:?}");
        target.set_len(9 * MIB).unwrap();
        assert!(target.metadata().unwrap().blocks() * 512 < MIB);
        assert_eq!(bytes_of(&source), bytes_of(&target));
    }

    #[test]
    fn a_source_that_shrank_is_an_error() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all_at(&[1; 5000], 0).unwrap();
        for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
            let error = transfer(&source, &target, whole(6000), Alignment::DEFAULT, policy).unwrap_err();
            assert!(matches!(error, TransferError::SourceShrank { offset: 5000, missing: 1000 }), "{error:?}");
        }
    }

    #[test]
    fn a_sparse_source_that_shrank_is_an_error() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        for (data_at, size, expected) in [
            // Data, then a hole in which the file ends; a hole alone; a hole, and data that is gone with the end.
            (0, 6 * MIB, (6 * MIB, 3 * MIB)),
            (MIB, 512, (512, 9 * MIB - 512)),
            (8 * MIB, 7 * MIB, (7 * MIB, 2 * MIB)),
        ] {
            source.set_len(0).unwrap();
            source.write_all_at(&[1; 5000], data_at).unwrap();
            source.set_len(size).unwrap();
            for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
                let error = transfer(&source, &target, whole(9 * MIB), Alignment::DEFAULT, policy).unwrap_err();
                let TransferError::SourceShrank { offset, missing } = error else { panic!("{error:?}") };
                assert_eq!((offset, missing), expected);
            }
        }
    }

    #[test]
    fn required_clones_fail_off_the_blocks() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all_at(&[1; 9000], 0).unwrap();
        let span = Span { source_offset: 512, target_offset: 0, length: 8192 };
        let error = transfer(&source, &target, span, Alignment::DEFAULT, ClonePolicy::Required).unwrap_err();
        assert!(matches!(error, TransferError::Unaligned { source_offset: 512, .. }), "{error:?}");
        let moved = transfer(&source, &target, span, Alignment::DEFAULT, ClonePolicy::Never).unwrap();
        assert_eq!(moved, Transferred { copied_bytes: 8192, ..Transferred::default() });
        assert_eq!(bytes_of(&target), vec![1; 8192]);
    }
}
