//! Owner, mode, times and extended attributes of a new file, and the order in which they are set.

use rustix::fs::{FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};

use super::context::Context;
use super::error::{Refusal, UnpackError};
use super::file_ref::FileRef;
use super::options::Permissions;
use super::options::UnpackOptions;
use crate::acl::Acl;
use crate::member::{Member, Timestamp, Xattr};

/// User and group ID.
pub(super) type Owner = (u32, u32);

/// What a member's file gets once its data is there.
#[derive(Debug)]
pub(super) struct Attributes {
    owner: Ownership,
    mode: u32,
    /// Bits that a directory keeps if it has them already.
    kept_mode: u32,
    mtime: Timestamp,
    xattrs: Vec<Xattr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    /// Whoever unpacks.
    Unpacker,
    Of(Owner),
    /// An owner that Linux cannot have: the file stays with whoever unpacks, and that is reported.
    Impossible,
}

/// Set-user-ID, set-group-ID (chmod(2)).
const SET_ID: u32 = 0o6000;
const SET_GID: u32 = 0o2000;

/// Bytes of memory that these take.
pub(super) fn heap_bytes(xattrs: &[Xattr]) -> usize {
    xattrs.iter().map(|xattr| size_of::<Xattr>() + xattr.name.len() + xattr.value.len()).sum()
}

impl Attributes {
    pub(super) fn of(member: &Member, options: &UnpackOptions<'_>) -> Self {
        // -1 means "leave as it is" to chown(2).
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        let owner = match (options.owner, id(member.uid), id(member.gid)) {
            (false, ..) => Ownership::Unpacker,
            (true, Some(uid), Some(gid)) => Ownership::Of((uid, gid)),
            _ => Ownership::Impossible,
        };
        // A set-id file that belongs to whoever unpacks would be a gift to everyone else.
        let is_owned = matches!(owner, Ownership::Of(_));
        let (allowed, kept_mode) = match options.permissions {
            Permissions::Exact if is_owned => (0o7777, 0),
            Permissions::Exact => (0o7777 & !SET_ID, SET_GID),
            Permissions::LessUmask(umask) => (0o777 & !umask, 0o7000),
        };
        let xattrs = member.xattrs.iter().filter(|xattr| (options.keep_xattr)(&xattr.name)).cloned().collect();
        Attributes { owner, mode: member.mode & allowed, kept_mode, mtime: member.mtime, xattrs }
    }

    /// As [`Attributes::of`], but an owner that Linux cannot have is refused beforehand.
    pub(super) fn possible(at: Context<'_>, member: &Member, options: &UnpackOptions<'_>) -> Result<Self, UnpackError> {
        match Attributes::of(member, options) {
            Attributes { owner: Ownership::Impossible, .. } => Err(at.refused(Refusal::Owner)),
            attributes => Ok(attributes),
        }
    }

    /// Bytes of memory that these take on top of their own size.
    pub(super) fn heap_bytes(&self) -> usize {
        heap_bytes(&self.xattrs)
    }

    /// The mode to create a file with. Its owner will be `created_owner`, as far as that is known. At no moment may
    /// anyone do with the file what its final mode and owner forbid. Set-id bits come after the data, which would clear
    /// them. Attributes of the namespace `user` need a file that its owner may write (xattr(7)).
    pub(super) fn creation_mode(&self, created_owner: Option<Owner>) -> Mode {
        let is_final_owner = match self.owner {
            Ownership::Of(owner) => created_owner == Some(owner),
            Ownership::Unpacker | Ownership::Impossible => true,
        };
        Mode::from_raw_mode(if is_final_owner && self.xattrs.is_empty() { self.mode & 0o777 } else { 0o600 })
    }

    /// Sets what `file`, whose `stat` was read, does not have yet, and returns what could not be set.
    ///
    /// chown clears set-id bits and file capabilities (chown(2)), and an access ACL sets the mode's group bits
    /// (acl(5)). Hence the order: owner, extended attributes, mode, and times last. What could not be set gives nobody
    /// more rights: a file of another owner has no set-id bits, and one without its ACL lacks the group bits that the
    /// ACL set.
    pub(super) fn give(&self, at: Context<'_>, file: FileRef<'_>, stat: &Stat) -> Vec<UnpackError> {
        let mut wrong = Vec::new();
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut mode = self.mode | if kind == FileType::Directory { self.kept_mode & stat.st_mode } else { 0 };
        let is_chowned = self.give_owner(at, file, stat, &mut mode, &mut wrong);
        self.give_xattrs(at, file, &mut mode, &mut wrong);
        let may_differ = is_chowned || !self.xattrs.is_empty() || stat.st_mode & 0o7777 != mode;
        // Symbolic links have no mode of their own (symlink(7)).
        if may_differ && kind != FileType::Symlink {
            wrong.extend(file.chmod(Mode::from_raw_mode(mode)).map_err(at.failed("chmod")).err());
        }
        wrong.extend(file.set_times(&self.times()).map_err(at.failed("set its times")).err());
        wrong
    }

    /// Whether the owner had to be changed, which clears bits of the mode. Without its owner, a file loses its set-id
    /// bits in `mode`.
    fn give_owner(
        &self,
        at: Context<'_>,
        file: FileRef<'_>,
        stat: &Stat,
        mode: &mut u32,
        wrong: &mut Vec<UnpackError>,
    ) -> bool {
        let (uid, gid) = match self.owner {
            Ownership::Of(owner) if owner != (stat.st_uid, stat.st_gid) => owner,
            Ownership::Of(_) | Ownership::Unpacker => return false,
            Ownership::Impossible => {
                wrong.push(at.refused(Refusal::Owner));
                return false;
            }
        };
        if let Err(errno) = file.chown(Uid::from_raw(uid), Gid::from_raw(gid)) {
            wrong.push(at.failed("chown")(errno));
            *mode &= !SET_ID;
        }
        true
    }

    /// Without an attribute, a file loses the rights in `mode` that only this attribute limits.
    fn give_xattrs(&self, at: Context<'_>, file: FileRef<'_>, mode: &mut u32, wrong: &mut Vec<UnpackError>) {
        for xattr in &self.xattrs {
            if let Err(source) = file.set_xattr(&xattr.name, &xattr.value) {
                *mode &= rights_without(xattr);
                wrong.push(at.no_attribute(&xattr.name, source));
            }
        }
    }

    fn times(&self) -> Timestamps {
        Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: self.mtime.secs, tv_nsec: self.mtime.nanos.into() },
        }
    }
}

/// The mode's bits that may stay where `xattr` could not be set.
fn rights_without(xattr: &Xattr) -> u32 {
    if xattr.name != b"system.posix_acl_access" {
        return 0o7777;
    }
    // The mode's group bits are the ACL's mask: what any of those may have who are named in it.
    let acl = Acl::of_xattr(&xattr.value).or_else(|| Acl::of_text(&xattr.value));
    0o7707 | acl.map_or(0, |acl| acl.owning_group())
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
        Attributes::of(&member, &options)
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
            let error = Attributes::possible(Context { path: b"a", offset: 0 }, &member, &options).unwrap_err();
            assert!(matches!(error, UnpackError::Refused { why: Refusal::Owner, .. }), "{error}");
        }
    }

    #[test]
    fn ordinary_users_get_the_modes_that_tar_gives_them() {
        for (owner, permissions, mode, expected, kept) in [
            (true, Permissions::Exact, 0o7777, 0o7777, 0),
            (false, Permissions::Exact, 0o7777, 0o1777, SET_GID),
            (false, Permissions::LessUmask(0o027), 0o7777, 0o750, 0o7000),
            (false, Permissions::LessUmask(0), 0o666, 0o666, 0o7000),
        ] {
            let options = UnpackOptions { owner, permissions, ..UnpackOptions::default() };
            let attributes = Attributes::of(&Member::new("a", Kind::Directory, mode), &options);
            assert_eq!((attributes.mode, attributes.kept_mode), (expected, kept), "{owner} {permissions:?} {mode:o}");
        }
    }

    #[test]
    fn a_file_without_its_acl_gives_nobody_more_rights() {
        let text = b"user::rw-,user:7:rw-,group::r--,mask::rw-,other::---";
        let acl = Acl::of_text(text).unwrap().to_xattr().unwrap();
        for (name, value, expected) in [
            (&b"system.posix_acl_access"[..], &acl[..], 0o640),
            (b"system.posix_acl_access", text, 0o640),
            (b"system.posix_acl_access", b"none", 0o600),
            (b"system.posix_acl_default", &acl, 0o660),
            (b"user.a", b"", 0o660),
        ] {
            let xattr = Xattr { name: name.to_vec(), value: value.to_vec() };
            assert_eq!(0o660 & rights_without(&xattr), expected);
        }
    }
}
