//! Which inode a name leads to, for as long as a tree is packed.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::Errno;

use super::options::ChangePolicy;
use crate::inode::{Inode, InodeError};

/// An inode that may have further names.
///
/// If others work in the tree meanwhile, a file can go and another get its number at once (ext4 does so). The times at
/// which the two were made tell them apart.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    born: Option<(i64, u32)>,
}

impl Identity {
    pub(super) fn of(inode: &Inode, changes: ChangePolicy) -> Result<Self, InodeError> {
        let born = match &inode.data {
            Some(file) if changes == ChangePolicy::List => born(file).map_err(inode.failed("statx"))?,
            _ => None,
        };
        Ok(Identity { device: inode.stat.st_dev, inode: inode.stat.st_ino, born })
    }
}

/// `None` on file systems that do not keep it.
fn born(file: impl AsFd) -> Result<Option<(i64, u32)>, Errno> {
    let stat = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
    let is_known = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(is_known.then_some((stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)))
}
