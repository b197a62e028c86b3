//! How many bytes moved, and in which way.

use std::ops::{AddAssign, Sub};

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
