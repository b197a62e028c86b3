//! Gives a new file the owner, the ACL and the mode of the one that it replaces.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{XattrFlags, fsetxattr, lgetxattr};
use rustix::io::Errno;

/// The rights of named users and groups, acl(5). In its presence the mode's group bits are its mask.
const ACL: &str = "system.posix_acl_access";
/// XATTR_SIZE_MAX of linux/limits.h, bytes.
const ACL_MAX: usize = 64 * 1024;

/// Gives `file` the owner, the ACL and the mode of the regular file at `path`, if there is one.
pub(super) fn keep(path: &Path, file: &File) -> io::Result<()> {
    let Ok(older) = path.symlink_metadata() else { return Ok(()) };
    if !older.is_file() {
        return Ok(());
    }
    let is_kept = give(file, &older) && give_acl(path, file);
    // Those bits are another group's, or wider than the group's own rights.
    let mode = if is_kept { older.mode() & 0o777 } else { older.mode() & 0o707 };
    file.set_permissions(Permissions::from_mode(mode))
}

/// Whether `file` has the group of `older` now; giving it to another owner is for root.
fn give(file: &File, older: &Metadata) -> bool {
    let given = std::os::unix::fs::fchown(file, Some(older.uid()), Some(older.gid()));
    given.or_else(|_| std::os::unix::fs::fchown(file, None, Some(older.gid()))).is_ok()
}

/// Whether `file` has the ACL of the file at `path` now; most have none.
fn give_acl(path: &Path, file: &File) -> bool {
    let mut acl = vec![0; ACL_MAX];
    match lgetxattr(path, ACL, &mut acl[..]) {
        Ok(len) => fsetxattr(file, ACL, &acl[..len], XattrFlags::empty()).is_ok(),
        Err(errno) => matches!(errno, Errno::NODATA | Errno::OPNOTSUPP),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::*;
    use std::fs;

    #[test]
    fn the_mode_of_an_older_file_is_kept() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("x.tar");
        for mode in [0o600, 0o640, 0o666] {
            fs::write(&path, "before").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let output = Output::create_with_umask(&path).unwrap();
            assert_eq!(output.file().metadata().unwrap().mode() & 0o7777, mode, "also while it is written");
            output.publish().unwrap();
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode);
        }
    }

    #[test]
    #[ignore = "needs root and loop devices: cargo xtask test"]
    fn privileged_owner_and_acl_of_an_older_file_are_kept() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("x.tar");
        fs::write(&path, "before").unwrap();
        std::os::unix::fs::chown(&path, Some(7), Some(8)).unwrap();
        // Version 2; owner rw, user 9 rw, group none, mask rw, others none: the mode is 0660, and group 8 has no
        // rights.
        let entry = |tag: u16, rights: u16, id: u32| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let entries = [
            entry(1, 6, u32::MAX),
            entry(2, 6, 9),
            entry(4, 0, u32::MAX),
            entry(16, 6, u32::MAX),
            entry(32, 0, u32::MAX),
        ];
        let acl = [&2_u32.to_le_bytes()[..], &entries.concat()].concat();
        rustix::fs::lsetxattr(&path, ACL, &acl, XattrFlags::empty()).unwrap();
        Output::create_with_umask(&path).unwrap().publish().unwrap();
        let metadata = path.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (7, 8, 0o660));
        let mut kept = vec![0; ACL_MAX];
        let len = lgetxattr(&path, ACL, &mut kept[..]).unwrap();
        assert_eq!(kept[..len], acl);
    }
}
