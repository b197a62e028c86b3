//! Counts what is in a tree: how much of it will be copied, and how much cloned.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::BorrowedFd;

use aligntar::extents;
use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, Stat, ioctl_getflags, openat, statat};

/// Smaller files are copied wherever they lie.
pub(super) const SMALL: u64 = 32 << 10;

/// Files from this size on are asked for their extents: smaller ones cannot have many.
const RAGGED: u64 = 1 << 20;

/// Files to copy that stay open for a trial.
const TRIAL_FILES: usize = 16;

/// How files of more than a few KiB get into their target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// By clone, but for those that cannot be.
    Cloned,
    /// Byte by byte.
    Copied,
}

/// What is in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) names: u64,
    /// Space on the disk of all that is copied, as people are told it; small files of a tree that is cloned do not count.
    pub(super) told_bytes: u64,
    /// Space of all that is copied, small files included.
    pub(super) copied_bytes: u64,
    /// Of those that alone cannot be cloned, since `chattr +C` was done to them and not to the target, or the reverse.
    pub(super) nodatacow_bytes: u64,
    /// Of files that are cloned.
    pub(super) extents: u64,
}

/// A tree that is being counted, and the files of it that a trial is made with.
pub(super) struct Count {
    fate: Fate,
    /// Whether `chattr +C` was done to the target.
    is_nodatacow: bool,
    pub(super) census: Census,
    links: HashSet<(u64, u64)>,
    /// Some of those that are copied.
    pub(super) to_copy: Vec<File>,
    /// The one with the most extents, and their number.
    pub(super) most_ragged: Option<(u64, File)>,
}

impl Count {
    /// Nothing is counted yet of a tree that goes into `target`.
    pub(super) fn new(target: &File, fate: Fate) -> Self {
        Count {
            fate,
            is_nodatacow: is_nodatacow(target),
            census: Census::default(),
            links: HashSet::new(),
            to_copy: Vec::new(),
            most_ragged: None,
        }
    }

    /// Counts the `name` in the folder `parent`.
    pub(super) fn visit(&mut self, parent: BorrowedFd<'_>, name: &CStr, file_type: FileType) {
        self.census.names += 1;
        if file_type != FileType::RegularFile {
            return;
        }
        let Ok(stat) = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        if stat.st_nlink > 1 && !self.links.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        if stat.st_size as u64 >= SMALL {
            self.visit_large(parent, name, &stat);
        } else {
            self.visit_small(&stat);
        }
    }

    fn visit_small(&mut self, stat: &Stat) {
        self.census.copied_bytes += disk_bytes(stat);
        if self.fate == Fate::Copied {
            self.census.told_bytes += disk_bytes(stat);
        }
    }

    fn visit_large(&mut self, parent: BorrowedFd<'_>, name: &CStr, stat: &Stat) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOATIME | OFlags::CLOEXEC;
        let Ok(file) = openat(parent, name, flags, Mode::empty()).map(File::from) else { return };
        let cannot_be_cloned = is_nodatacow(&file) != self.is_nodatacow;
        if self.fate == Fate::Copied || cannot_be_cloned {
            self.census.told_bytes += disk_bytes(stat);
            self.census.copied_bytes += disk_bytes(stat);
            self.census.nodatacow_bytes += if self.fate == Fate::Cloned { disk_bytes(stat) } else { 0 };
            if self.to_copy.len() < TRIAL_FILES {
                self.to_copy.push(file);
            }
        } else if stat.st_size as u64 >= RAGGED {
            let mut count = 0;
            let _ = extents(&file, |_| count += 1);
            self.census.extents += count;
            if self.most_ragged.as_ref().is_none_or(|(most, _)| *most < count) {
                self.most_ragged = Some((count, file));
            }
        } else {
            self.census.extents += 1;
        }
    }
}

fn disk_bytes(stat: &Stat) -> u64 {
    stat.st_blocks as u64 * 512
}

/// Whether `chattr +C` was done to it: BTRFS clones between two such files, or two others (EINVAL, ioctl_ficlone(2)).
fn is_nodatacow(file: &File) -> bool {
    ioctl_getflags(file).is_ok_and(|flags| flags.contains(IFlags::NOCOW))
}
