//! Copies: copy_file_range(2) for as long as the kernel will, else read and write.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::copy_file_range;
use rustix::io::Errno;

use super::error::TransferError;
use super::policy::ClonePolicy;
use super::span::Span;

/// Buffer of the copy through memory, in bytes.
const COPY_BUFFER: u64 = 256 * 1024;

/// Copies `span`: in the kernel where the policy lets it, else through memory.
pub(super) fn copy(source: &File, target: &File, span: Span, policy: ClonePolicy) -> Result<(), TransferError> {
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
