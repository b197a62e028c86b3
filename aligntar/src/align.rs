//! Arithmetic of block boundaries. The only I/O asks for a file system's block size.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// Unit of a tar archive: headers and member data are padded to it (POSIX pax, "ustar Interchange Format").
pub const TAR_BLOCK: u64 = 512;

/// One block of an archive, such as a header.
pub(crate) type Block = [u8; TAR_BLOCK as usize];

/// Why a number cannot be an [`Alignment`].
#[derive(Debug, thiserror::Error)]
pub enum AlignError {
    /// Not a power of two from 512 to 65536.
    #[error("alignment {0} is not a power of two from 512 to 65536 bytes")]
    NotABlockSize(u64),
    /// fstatfs(2) failed.
    #[error("fstatfs: cannot ask the file system for its block size")]
    Statfs(#[source] Errno),
}

/// A block size that member data is laid out on: a power of two from 512 bytes to 64 KiB.
///
/// ```
/// let fs_block = aligntar::Alignment::new(4096)?;
/// assert_eq!(fs_block.align_up(4097), Some(8192));
/// # Ok::<(), aligntar::AlignError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alignment(u64);

impl Alignment {
    /// The block size of most file systems, 4096 bytes.
    pub const DEFAULT: Alignment = Alignment(4096);

    /// An alignment of `bytes`.
    ///
    /// # Errors
    /// [`AlignError::NotABlockSize`] unless it is a power of two from 512 to 65536.
    pub fn new(bytes: u64) -> Result<Self, AlignError> {
        if bytes.is_power_of_two() && (TAR_BLOCK..=64 * 1024).contains(&bytes) {
            Ok(Alignment(bytes))
        } else {
            Err(AlignError::NotABlockSize(bytes))
        }
    }

    /// The block size of the file system that holds `file`, the unit that FICLONERANGE moves (`f_bsize` of statfs(2)).
    ///
    /// File systems that report an I/O size there (NFS says 1 MiB) get [`Alignment::DEFAULT`].
    ///
    /// # Errors
    /// [`AlignError::Statfs`] if the kernel does not answer.
    pub fn of(file: impl AsFd) -> Result<Self, AlignError> {
        let statfs = rustix::fs::fstatfs(file).map_err(AlignError::Statfs)?;
        Ok(u64::try_from(statfs.f_bsize).ok().and_then(|bytes| Self::new(bytes).ok()).unwrap_or(Self::DEFAULT))
    }

    /// The alignment in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Smallest multiple of the alignment that is not below `offset`, both in bytes; `None` past `u64::MAX`.
    ///
    /// A clone needs both offsets on a block boundary, see ioctl_ficlonerange(2).
    pub fn align_up(self, offset: u64) -> Option<u64> {
        offset.checked_next_multiple_of(self.0)
    }

    /// Largest multiple of the alignment that is not above `length`.
    pub const fn align_down(self, length: u64) -> u64 {
        length - length % self.0
    }

    /// Whether `offset` is a multiple of the alignment.
    pub const fn is_aligned(self, offset: u64) -> bool {
        offset.is_multiple_of(self.0)
    }
}

/// `len` bytes of member data as they lie in the archive, filled up to whole [`TAR_BLOCK`]s; `None` past `u64::MAX`.
pub fn padded_len(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(TAR_BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_sizes_are_alignments() {
        for bytes in [512, 1024, 4096, 65536] {
            assert_eq!(Alignment::new(bytes).unwrap().bytes(), bytes);
        }
        for bytes in [0, 1, 256, 4095, 131072, u64::MAX] {
            assert!(Alignment::new(bytes).is_err(), "{bytes}");
        }
    }

    #[test]
    fn align_up_stops_at_the_end_of_u64() {
        let block = Alignment::DEFAULT;
        assert_eq!(block.align_up(0), Some(0));
        assert_eq!(block.align_up(1), Some(4096));
        assert_eq!(block.align_up(u64::MAX), None);
        assert_eq!(padded_len(513), Some(1024));
        assert_eq!(padded_len(u64::MAX - 5), None);
    }
}
