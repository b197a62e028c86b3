//! Clones: ioctl_ficlonerange(2) of whole blocks, ioctl_ficlone(2) of whole files.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;

use super::error::TransferError;
use super::policy::ClonePolicy;
use super::span::Span;
use crate::align::Alignment;
use crate::sys;

/// Whether `span` was cloned; `false` where these files cannot share blocks.
pub(super) fn try_clone(
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

/// Makes `target` a clone of the whole of `source`, as it is at one moment. Returns its size in bytes.
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
