//! Files that others write to meanwhile: a clone takes each of them as it was at one moment.

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use super::options::PackOptions;
use crate::inode::{Inode, InodeError};
use crate::member::Kind;
use crate::transfer::clone_whole;

/// A file that changed in the last seconds, as many as these, counts as being written to: within a tick of the kernel's
/// clock, a second change has the same time as the first and cannot be seen.
const LATELY: i64 = 1;

/// How often the packer looks again at a file that ended before its data was read.
pub(super) const ATTEMPTS: usize = 4;

/// Makes copies of files that are being written to.
#[derive(Clone, Copy)]
pub(super) struct Snapshots<'p> {
    options: PackOptions<'p>,
    /// Files that changed after this are being written to, seconds since 1970.
    since: i64,
}

impl<'p> Snapshots<'p> {
    pub(super) fn new(options: PackOptions<'p>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Snapshots { options, since: now.as_secs() as i64 - LATELY }
    }

    /// Whether there is a file to make copies in.
    pub(super) fn are_possible(&self) -> bool {
        self.options.scratch.is_some()
    }

    /// Whether the file is better taken from a copy.
    pub(super) fn is_needed(&self, inode: &Inode) -> bool {
        self.options.scratch.is_some() && inode.data.is_some() && inode.stat.st_ctime >= self.since
    }

    /// Looks at the inode again, and gives its data as it is now; `None` where only the file itself can be read.
    ///
    /// A clone takes the lock that writers take, so it shows the file between two writes.
    pub(super) fn take(&self, inode: &mut Inode) -> Result<Option<&'p File>, InodeError> {
        inode.look_again()?;
        self.options.apply(&mut inode.member);
        let (Some(scratch), Some(file)) = (self.options.scratch, &inode.data) else { return Ok(None) };
        // What cannot be cloned is read.
        let Ok(size) = clone_whole(file, scratch) else { return Ok(None) };
        inode.member.kind = Kind::Regular { size };
        Ok(Some(scratch))
    }
}
