//! Owner, mode, times and extended attributes of what was made, and the order in which they are given.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, utimensat};

use super::UnpackOptions;
use super::error::{Refusal, UnpackError};
use super::place::{Context, Place};
use crate::inode::{by_descriptor, os};
use crate::member::{Member, Timestamp, Xattr};

/// User and group ID.
pub(super) type Owner = (u32, u32);

/// What a member's file shall have once its data is there.
#[derive(Debug)]
pub(super) struct Attributes {
    /// `None`: whoever unpacks.
    owner: Option<Owner>,
    mode: u32,
    mtime: Timestamp,
    xattrs: Vec<Xattr>,
}

impl Attributes {
    pub(super) fn of(at: Context<'_>, member: &Member, options: &UnpackOptions<'_>) -> Result<Self, UnpackError> {
        // -1 means "leave as it is" to chown(2).
        let id =
            |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or_else(|| at.refused(Refusal::Owner));
        let owner = if options.owner { Some((id(member.uid)?, id(member.gid)?)) } else { None };
        // A set-id file that belongs to whoever unpacks would be a gift to everyone else.
        let mode = if options.owner { member.mode & 0o7777 } else { member.mode & 0o1777 };
        let xattrs = member.xattrs.iter().filter(|xattr| (options.keep_xattr)(&xattr.name)).cloned().collect();
        Ok(Attributes { owner, mode, mtime: member.mtime, xattrs })
    }

    /// Bytes of memory that these take beside their own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.xattrs.iter().map(|xattr| size_of::<Xattr>() + xattr.name.len() + xattr.value.len()).sum()
    }

    /// The mode to create a file with, whose owner will be `created_owner` as far as that is known: at no moment may
    /// anyone do with it what the final mode and owner forbid. Set-id bits come after the data, which would clear them,
    /// and attributes of the namespace `user` need a file that its owner may write (xattr(7)).
    pub(super) fn creation_mode(&self, created_owner: Option<Owner>) -> Mode {
        let is_final_owner = self.owner.is_none() || self.owner == created_owner;
        Mode::from_raw_mode(if is_final_owner && self.xattrs.is_empty() { self.mode & 0o777 } else { 0o600 })
    }

    /// Gives `file`, of which `stat` was read, what it does not have yet.
    ///
    /// chown clears set-id bits and file capabilities (chown(2)), and an access ACL sets the mode's group bits (acl(5)):
    /// so owner, extended attributes, mode. Times are last.
    pub(super) fn give(&self, at: Context<'_>, file: BorrowedFd<'_>, stat: &Stat) -> Result<(), UnpackError> {
        let new_owner = self.new_owner(stat);
        if let Some((uid, gid)) = new_owner {
            rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(at.failed("chown"))?;
        }
        for Xattr { name, value } in &self.xattrs {
            rustix::fs::fsetxattr(file, &name[..], value, XattrFlags::empty()).map_err(at.failed("setxattr"))?;
        }
        if let Some(mode) = self.new_mode(stat, new_owner.is_some()) {
            rustix::fs::fchmod(file, mode).map_err(at.failed("chmod"))?;
        }
        rustix::fs::futimens(file, &self.times()).map_err(at.failed("futimens"))
    }

    /// As [`Attributes::give`] for what must not be opened, the descriptor `made` being a mere path (O_PATH).
    pub(super) fn give_special(
        &self,
        place: Place<'_>,
        made: BorrowedFd<'_>,
        stat: &Stat,
        is_symlink: bool,
    ) -> Result<(), UnpackError> {
        let Place { at, parent, name } = place;
        let new_owner = self.new_owner(stat);
        if let Some((uid, gid)) = new_owner {
            rustix::fs::chownat(made, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(at.failed("chown"))?;
        }
        for xattr in &self.xattrs {
            rustix::fs::lsetxattr(by_descriptor(parent, os(name)), &xattr.name[..], &xattr.value, XattrFlags::empty())
                .map_err(at.failed("setxattr"))?;
        }
        // Symbolic links have no mode of their own (symlink(7)).
        if let Some(mode) = self.new_mode(stat, new_owner.is_some()).filter(|_| !is_symlink) {
            // fchmod(2) refuses O_PATH; the link in /proc leads to this very inode.
            let made = PathBuf::from(format!("/proc/self/fd/{}", made.as_raw_fd()));
            rustix::fs::chmod(made, mode).map_err(at.failed("chmod"))?;
        }
        utimensat(parent, os(name), &self.times(), AtFlags::SYMLINK_NOFOLLOW).map_err(at.failed("utimensat"))
    }

    fn new_owner(&self, stat: &Stat) -> Option<(Uid, Gid)> {
        let (uid, gid) = self.owner.filter(|&owner| owner != (stat.st_uid, stat.st_gid))?;
        Some((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    fn new_mode(&self, stat: &Stat, is_new_owner: bool) -> Option<Mode> {
        let may_differ = is_new_owner || !self.xattrs.is_empty() || stat.st_mode & 0o7777 != self.mode;
        may_differ.then_some(Mode::from_raw_mode(self.mode))
    }

    fn times(&self) -> Timestamps {
        Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: self.mtime.secs, tv_nsec: self.mtime.nanos.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Kind;

    fn attributes(mode: u32, owner: bool, xattrs: &[&[u8]]) -> Attributes {
        let mut member = Member::new("a", Kind::Fifo, mode);
        (member.uid, member.gid) = (1, 2);
        member.xattrs = xattrs.iter().map(|name| Xattr { name: name.to_vec(), value: Vec::new() }).collect();
        let options = UnpackOptions { owner, ..UnpackOptions::default() };
        Attributes::of(Context { path: b"a", offset: 0 }, &member, &options).unwrap()
    }

    #[test]
    fn a_file_is_never_created_more_open_than_it_ends() {
        let cases = [
            (0o644, true, Some((1, 2)), &[][..], 0o644),
            (0o6755, true, Some((1, 2)), &[], 0o755),
            (0o640, true, Some((1, 3)), &[], 0o600),
            (0o640, true, None, &[], 0o600),
            (0o6640, false, Some((9, 9)), &[], 0o640),
            (0o400, true, Some((1, 2)), &[&b"user.a"[..]], 0o600),
            (0o4777, true, Some((1, 3)), &[], 0o600),
        ];
        for (mode, owner, created, xattrs, expected) in cases {
            let mode_of = attributes(mode, owner, xattrs).creation_mode(created);
            assert_eq!(mode_of.as_raw_mode(), expected, "{mode:o} {owner} {created:?} {xattrs:?}");
        }
    }

    #[test]
    fn owners_that_linux_does_not_have_are_refused() {
        for uid in [u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut member = Member::new("a", Kind::Fifo, 0o600);
            member.uid = uid;
            let options = UnpackOptions { owner: true, ..UnpackOptions::default() };
            let error = Attributes::of(Context { path: b"a", offset: 0 }, &member, &options).unwrap_err();
            assert!(matches!(error, UnpackError::Refused { why: Refusal::Owner, .. }), "{error}");
        }
    }
}
