//! Files that others write to while they are taken: each of one moment, where a clone gives that.

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use super::PackOptions;
use crate::inode::{Inode, InodeError};
use crate::member::Kind;
use crate::transfer::clone_whole;

/// Seconds in which a change of a file makes it one that is being written to: within a tick of the kernel's clock, a
/// second change has the same time as the first and cannot be seen.
const LATELY: i64 = 1;

/// Makes copies of files in motion.
#[derive(Clone, Copy)]
pub(super) struct Moment<'p> {
    options: PackOptions<'p>,
    /// Files that changed after this are in motion, seconds since 1970.
    since: i64,
}

impl<'p> Moment<'p> {
    pub(super) fn new(options: PackOptions<'p>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { options, since: now.as_secs() as i64 - LATELY }
    }

    /// Whether a copy can be made at all.
    pub(super) fn can_be_had(&self) -> bool {
        self.options.scratch.is_some()
    }

    /// Whether the file is better taken from a copy.
    pub(super) fn is_needed(&self, inode: &Inode) -> bool {
        self.options.scratch.is_some() && inode.data.is_some() && inode.stat.st_ctime >= self.since
    }

    /// Looks at the inode again, and gives its data as it is now; `None` where only the file itself can be read.
    ///
    /// A clone takes the lock that writers take, so it is of a moment between two writes.
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
