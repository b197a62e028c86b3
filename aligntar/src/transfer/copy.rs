//! Copies: what is in memory by read and write, the rest by copy_file_range(2) for as long as the kernel will.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, copy_file_range, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::error::TransferError;
use super::policy::ClonePolicy;
use super::span::Span;

/// What is copied in one step, bytes. 5 GB in memory to ext4, before they are synced, in seconds (Linux 6.18, two
/// processors, four rounds):
///
/// | copy_file_range | read and write, 256 KiB | 1 MiB | 4 MiB |
/// |---|---|---|---|
/// | 1.4–2.1 | 1.7–2.1 | 1.4–1.6 | 1.4–1.9 |
///
/// While all that is written out, copy_file_range takes a fifth longer than 1 MiB at a time: it goes through a pipe, page
/// by page. What comes from the disk is faster that way, for the kernel reads ahead in step with the pipe.
const STEP: u64 = 1024 * 1024;

/// How far the disk reads ahead where the kernel does not copy, bytes. 5 GB from an archive that is not in memory came in
/// 5 to 6 s, and in 7 to 10 s without.
const AHEAD: u64 = 4 * STEP;

/// Copies `span`: from memory for as long as it is there.
pub(super) fn copy(source: &File, target: &File, span: Span, policy: ClonePolicy) -> Result<(), TransferError> {
    let mut buffer = vec![0; span.length.min(STEP) as usize];
    let mut done = 0;
    while done < span.length {
        let part = span.part(done, (span.length - done).min(STEP));
        let bytes = &mut buffer[..part.length as usize];
        if read_from_memory(source, bytes, part.source_offset) != Ok(true) {
            break;
        }
        write_at(target, bytes, part.target_offset)?;
        done += part.length;
    }
    copy_from_disk(source, target, span.part(done, span.length - done), policy, &mut buffer)
}

/// Reads what need not come from a disk; `false` where some of it has to.
///
/// # Errors
/// `OPNOTSUPP` where the file system does not tell, as tmpfs.
pub(crate) fn read_from_memory(file: &File, bytes: &mut [u8], offset: u64) -> Result<bool, Errno> {
    let length = bytes.len();
    match preadv2(file, &mut [IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP) => Err(Errno::OPNOTSUPP),
        read => Ok(read == Ok(length)),
    }
}

fn copy_from_disk(
    source: &File,
    target: &File,
    span: Span,
    policy: ClonePolicy,
    buffer: &mut [u8],
) -> Result<(), TransferError> {
    let mut done = match policy {
        // BTRFS and XFS share blocks in copy_file_range as well; "never" means never.
        ClonePolicy::Never => 0,
        _ => copy_in_kernel(source, target, span)?,
    };
    while done < span.length {
        let part = span.part(done, (span.length - done).min(STEP));
        let bytes = &mut buffer[..part.length as usize];
        let ahead = NonZeroU64::new(AHEAD.min(span.length - done));
        // What has no page cache reads as ever.
        let _ = fadvise(source, part.source_offset, ahead, Advice::WillNeed);
        read_exact_at(source, bytes, part.source_offset)?;
        write_at(target, bytes, part.target_offset)?;
        done += part.length;
    }
    Ok(())
}

fn write_at(target: &File, bytes: &[u8], offset: u64) -> Result<(), TransferError> {
    target.write_all_at(bytes, offset).map_err(|source| TransferError::Write { offset, source })
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

    /// In this folder, which is on a disk: tmpfs does not tell what is in memory.
    fn file() -> File {
        tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap()
    }

    #[test]
    fn bytes_arrive_whether_they_are_in_memory_or_not() {
        let (source, target) = (file(), file());
        let bytes: Vec<u8> = (0..2 * STEP + 1000).map(|at| (at / 512) as u8).collect();
        source.write_all_at(&bytes, 0).unwrap();
        source.sync_all().unwrap();
        let span = Span { source_offset: 300, target_offset: 7, length: bytes.len() as u64 - 300 };
        for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
            for forget in [false, true] {
                target.set_len(0).unwrap();
                if forget {
                    fadvise(&source, 0, None, Advice::DontNeed).unwrap();
                }
                copy(&source, &target, span, policy).unwrap();
                let mut there = vec![0; span.length as usize];
                target.read_exact_at(&mut there, span.target_offset).unwrap();
                assert_eq!(there, bytes[300..], "{policy:?}, {forget}");
            }
        }
    }
}
