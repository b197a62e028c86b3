//! Directories that an archive takes for granted.

use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, mkdirat};
use rustix::io::Errno;

use crate::beneath::{self, SafePath};
use crate::inode::os;

/// Makes directories that members need and the archive does not have.
pub trait Parents {
    /// Makes the directory `path` and what is missing above it; `path` is relative to `root`, of plain names.
    ///
    /// # Errors
    /// Anything; it ends the unpacking.
    fn make(&mut self, root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Makes missing parents as mkdir -p does, mode 0755.
#[derive(Debug, Default)]
pub struct PlainParents;

impl Parents for PlainParents {
    fn make(&mut self, root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let safe = SafePath::new(&path[..end]).ok_or(Errno::INVAL)?;
            let Some((above, name)) = safe.split() else { continue };
            let above = beneath::open(root, &above, OFlags::PATH | OFlags::DIRECTORY)?;
            match mkdirat(above, os(name), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}
