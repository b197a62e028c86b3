//! What rustix does not have: FICLONERANGE, FIDEDUPERANGE, FIEMAP and sync_file_range. All `unsafe` of the crate is here.
#![allow(unsafe_code)]

use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, Updater, ioctl, opcode};

/// `struct file_clone_range`, linux/fs.h.
#[repr(C)]
struct FileCloneRange {
    src_fd: i64,
    src_offset: u64,
    src_length: u64,
    dest_offset: u64,
}

/// `FICLONERANGE`, linux/fs.h: `_IOW(0x94, 13, struct file_clone_range)`.
const FICLONERANGE: Opcode = opcode::write::<FileCloneRange>(0x94, 13);

/// Shares `length` bytes of `source` from `source_offset` with `target` at `target_offset`, see ioctl_ficlonerange(2).
///
/// Both offsets, and `length` unless it reaches the end of `source`, are multiples of the file system's block size.
/// A length of zero would mean "to the end of the source" to the kernel; it is refused here with `INVAL`.
///
/// # Errors
/// | errno | meaning |
/// |---|---|
/// | `OPNOTSUPP`, `NOTTY` | the file system cannot clone |
/// | `XDEV` | the files lie on different file systems |
/// | `INVAL` | unaligned, beyond the end, or the file system cannot clone these two files |
/// | `PERM`, `TXTBSY` | target is immutable, or a swap file is involved |
/// | `NOSPC`, `IO`, … | real failures |
pub(crate) fn clone_range(
    source: impl AsFd,
    source_offset: u64,
    length: u64,
    target: impl AsFd,
    target_offset: u64,
) -> Result<(), Errno> {
    if length == 0 {
        return Err(Errno::INVAL);
    }
    let range = FileCloneRange {
        src_fd: i64::from(source.as_fd().as_raw_fd()),
        src_offset: source_offset,
        src_length: length,
        dest_offset: target_offset,
    };
    // SAFETY: FICLONERANGE reads one `file_clone_range`, which `Setter` passes by pointer and which has C layout;
    // the descriptor in it stays open because `source` is borrowed until the call returns.
    unsafe { ioctl(target, Setter::<FICLONERANGE, FileCloneRange>::new(range)) }
}

/// `struct file_dedupe_range` with its one `struct file_dedupe_range_info`, linux/fs.h.
#[repr(C)]
struct FileDedupeRange {
    src_offset: u64,
    src_length: u64,
    dest_count: u16,
    reserved1: u16,
    reserved2: u32,
    dest_fd: i64,
    dest_offset: u64,
    bytes_deduped: u64,
    status: i32,
    reserved: u32,
}

/// `struct file_dedupe_range` without what follows it: its size is the one in the call's number.
#[repr(C)]
struct FileDedupeRangeHeader {
    src_offset: u64,
    src_length: u64,
    dest_count: u16,
    reserved1: u16,
    reserved2: u32,
}

/// `FIDEDUPERANGE`, linux/fs.h: `_IOWR(0x94, 54, struct file_dedupe_range)`.
const FIDEDUPERANGE: Opcode = opcode::read_write::<FileDedupeRangeHeader>(0x94, 54);
/// What `status` is if the bytes are not the same, linux/fs.h.
const FILE_DEDUPE_RANGE_DIFFERS: i32 = 1;

/// Gives `target` at `target_offset` the blocks of `source` from `source_offset` on, if the `length` bytes there are the
/// same in both: the kernel compares them, and no byte of either file changes. See ioctl_fideduperange(2).
///
/// Gives how many bytes from the first on are shared then, which may be fewer than were asked for; `None` if something
/// differs. The offsets and `length` are multiples of the file system's block size. A `length` of zero only asks whether
/// these two files can share blocks.
///
/// The target may be open for reading alone if the caller owns it or is root.
///
/// # Errors
/// | errno | meaning |
/// |---|---|
/// | `OPNOTSUPP`, `NOTTY` | the file system cannot do this |
/// | `XDEV` | the files lie on different file systems |
/// | `INVAL` | unaligned, beyond the end, or not these two files |
/// | `PERM`, `TXTBSY` | the target is somebody else's or immutable, or a swap file is involved |
/// | `NOSPC`, `IO`, … | real failures |
pub fn share_equal_range(
    source: impl AsFd,
    source_offset: u64,
    length: u64,
    target: impl AsFd,
    target_offset: u64,
) -> Result<Option<u64>, Errno> {
    let mut range = FileDedupeRange {
        src_offset: source_offset,
        src_length: length,
        dest_count: 1,
        reserved1: 0,
        reserved2: 0,
        dest_fd: i64::from(target.as_fd().as_raw_fd()),
        dest_offset: target_offset,
        bytes_deduped: 0,
        status: 0,
        reserved: 0,
    };
    // SAFETY: the kernel reads and writes one `file_dedupe_range` and, as `dest_count` says, one `file_dedupe_range_info`
    // behind it, which `FileDedupeRange` has with C layout; the descriptor in it stays open because `target` is borrowed.
    unsafe { ioctl(source, Updater::<FIDEDUPERANGE, FileDedupeRange>::new(&mut range))? };
    match range.status {
        0 => Ok(Some(range.bytes_deduped)),
        FILE_DEDUPE_RANGE_DIFFERS => Ok(None),
        errno => Err(Errno::from_raw_os_error(errno.saturating_neg())),
    }
}

/// `struct fiemap` without its extents, linux/fiemap.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FiemapHeader {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// `struct fiemap_extent`, linux/fiemap.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FiemapExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// How many extents one call asks for; 128 of them are 7 KiB on the stack.
const EXTENTS_PER_CALL: usize = 128;

/// `struct fiemap` with room for its flexible array.
#[repr(C)]
struct Fiemap {
    header: FiemapHeader,
    extents: [FiemapExtent; EXTENTS_PER_CALL],
}

/// `FS_IOC_FIEMAP`, linux/fs.h: `_IOWR('f', 11, struct fiemap)`; the size in the number is the header's alone.
const FS_IOC_FIEMAP: Opcode = opcode::read_write::<FiemapHeader>(b'f', 11);
/// Write dirty pages out first, so that every extent has its place, linux/fiemap.h.
const FIEMAP_FLAG_SYNC: u32 = 1;
/// The last extent of the file, linux/fiemap.h.
const FIEMAP_EXTENT_LAST: u32 = 1;
/// The extent's place is not known, not yet chosen, or that of something else than its bytes as they are (compressed or
/// encrypted, or in a block with other data), linux/fiemap.h: `UNKNOWN`, `DELALLOC`, `ENCODED`, `NOT_ALIGNED` (which
/// includes `DATA_INLINE`).
const FIEMAP_EXTENT_NO_PLACE: u32 = 2 | 4 | 8 | 0x100;
/// Reserved, and reads as zeros, linux/fiemap.h.
const FIEMAP_EXTENT_UNWRITTEN: u32 = 0x800;
/// Blocks that other files, or other places of this one, refer to as well, linux/fiemap.h.
const FIEMAP_EXTENT_SHARED: u32 = 0x2000;

/// One contiguous run of a file's blocks on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Whether other files, or other places of this one, use the same blocks.
    pub shared: bool,
    /// First byte on the disk, or wherever the file system counts from: what has the same place there has the same
    /// blocks. `None` if the bytes do not lie there as they are, as with compression.
    pub place: Option<u64>,
}

/// Calls `visit` with each extent of `file` from the first to the last; holes are what lies between them.
///
/// See Documentation/filesystems/fiemap.rst.
///
/// # Errors
/// `OPNOTSUPP` where the file system keeps no extents (tmpfs), `IO` and others as the kernel gives them.
pub fn extents(file: impl AsFd, visit: impl FnMut(Extent)) -> Result<(), Errno> {
    extents_in(file, 0..u64::MAX, visit)
}

/// As [`extents`], but only those that have bytes in `range`; the first and the last may go beyond it.
///
/// # Errors
/// As [`extents`].
pub fn extents_in(file: impl AsFd, range: Range<u64>, mut visit: impl FnMut(Extent)) -> Result<(), Errno> {
    let mut start = range.start;
    while start < range.end {
        let map = fiemap(&file, start..range.end)?;
        let found = &map.extents[..(map.header.mapped_extents as usize).min(EXTENTS_PER_CALL)];
        for extent in found {
            visit(Extent {
                offset: extent.logical,
                length: extent.length,
                shared: extent.flags & FIEMAP_EXTENT_SHARED != 0,
                place: (extent.flags & (FIEMAP_EXTENT_NO_PLACE | FIEMAP_EXTENT_UNWRITTEN) == 0)
                    .then_some(extent.physical),
            });
        }
        match found.last() {
            Some(last) if last.flags & FIEMAP_EXTENT_LAST == 0 => start = last.logical + last.length,
            _ => break,
        }
    }
    Ok(())
}

/// One call: the first extents in `range`.
fn fiemap(file: impl AsFd, range: Range<u64>) -> Result<Fiemap, Errno> {
    let mut map = Fiemap {
        header: FiemapHeader {
            start: range.start,
            length: range.end - range.start,
            flags: FIEMAP_FLAG_SYNC,
            extent_count: EXTENTS_PER_CALL as u32,
            ..FiemapHeader::default()
        },
        extents: [FiemapExtent::default(); EXTENTS_PER_CALL],
    };
    // SAFETY: the kernel writes the header and at most `extent_count` extents behind it; `Fiemap` has C layout and room
    // for exactly that many.
    unsafe { ioctl(&file, Updater::<FS_IOC_FIEMAP, Fiemap>::new(&mut map))? };
    Ok(map)
}

/// Begins to write the dirty pages of `file` in `range`, in bytes, to the disk, and does not wait for it: what a clone
/// would have to write out later is under way then. See sync_file_range(2).
///
/// Nothing is durable by this: neither the disk's cache nor the file's size is synced.
///
/// # Errors
/// `NOSPC`, `IO` and others as the kernel gives them; `SPIPE` for what is no file.
pub fn start_writeback(file: impl AsFd, range: Range<u64>) -> Result<(), Errno> {
    let [start, length] =
        [range.start, range.end.saturating_sub(range.start)].map(|at| i64::try_from(at).unwrap_or(i64::MAX));
    // A length of zero would mean "to the end of the file".
    if length == 0 {
        return Ok(());
    }
    sync_file_range(file, start, length, libc::SYNC_FILE_RANGE_WRITE)
}

/// Writes all dirty pages of `file` to the disk, and waits for that: from then on they are clean, and whoever stores to
/// one of them through a mapping faults first.
///
/// # Errors
/// As [`start_writeback`].
pub(crate) fn clean_pages(file: impl AsFd) -> Result<(), Errno> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_file_range(file, 0, 0, flags)
}

fn sync_file_range(file: impl AsFd, start: i64, length: i64, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: no memory is passed, and the descriptor stays open because `file` is borrowed until the call returns.
    let result = unsafe { libc::sync_file_range(file.as_fd().as_raw_fd(), start, length, flags) };
    match result {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_clone_of_nothing_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(clone_range(&file, 0, 0, &file, 4096), Err(Errno::INVAL));
    }

    #[test]
    fn bytes_stay_whether_they_could_be_shared_or_not() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let [mut source, mut target] = [(); 2].map(|()| tempfile::tempfile_in(folder).unwrap());
        source.write_all(&[7; 8192]).unwrap();
        target.write_all(&[[7; 4096], [8; 4096]].concat()).unwrap();
        let [first, second] = [0, 4096].map(|offset| share_equal_range(&source, offset, 4096, &target, offset));
        match first {
            Ok(shared) => assert_eq!((shared, second), (Some(4096), Ok(None))),
            Err(errno) => assert_eq!([errno, second.unwrap_err()], [Errno::OPNOTSUPP; 2]),
        }
        let mut bytes = [0; 8192];
        target.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!((bytes[4095], bytes[4096]), (7, 8));
    }

    #[test]
    fn extents_cover_what_was_written() {
        // The checkout's file system, not /tmp: tmpfs keeps no extents.
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        let mut mapped = 0;
        match extents(&file, |extent| mapped += extent.length) {
            Ok(()) => assert!(mapped >= 10_000, "{mapped} bytes mapped"),
            Err(errno) => assert_eq!(errno, Errno::OPNOTSUPP),
        }
    }

    #[test]
    fn writeback_starts_for_files_alone() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        assert_eq!(start_writeback(&file, 0..10_000), Ok(()));
        assert_eq!(start_writeback(&file, 5..5), Ok(()));
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(start_writeback(&reader, 0..1), Err(Errno::SPIPE));
    }
}
