//! The few files that podman changes when it mounts a container's root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use aligntar::{ClonePolicy, Entry, InodeError, Kind, Member, read_inode};
use layerfs::{ApplyError, Layers, Upperdir};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstatfs, open, statat, unlinkat};
use rustix::io::Errno;

use super::error::RepairError;
use super::times::in_parent;
use crate::archive::CheckpointArchive;
use crate::progress::Silent;
use crate::rootfs::{ExtractError, extract_tree, shift_ids};

/// Relative to the root; the root itself as well.
const CHANGED: [&str; 6] = ["", "etc", "etc/group", "etc/localtime", "etc/mtab", "etc/passwd"];

/// What podman makes where there is nothing, those below first: symbolic links, and the directory for them. A file in the
/// place of such a link is none of podman's, but the runtime's, which mounts something there.
const MADE: [&str; 3] = ["etc/localtime", "etc/mtab", "etc"];

/// `OVERLAYFS_SUPER_MAGIC`, linux/magic.h.
const OVERLAY: i64 = 0x794c_7630;

/// How the archive has them.
#[derive(Debug)]
pub(super) struct ChangedFiles {
    /// Where the container's root will be mounted.
    merged: PathBuf,
    there: Vec<Entry>,
    not_there: Vec<&'static str>,
}

impl ChangedFiles {
    pub(super) fn below(merged: PathBuf) -> Self {
        ChangedFiles { merged, there: Vec::new(), not_there: Vec::new() }
    }

    pub(super) fn note(&mut self, entry: &Entry) {
        let path = plain(&entry.member.path);
        if CHANGED.iter().any(|changed| Path::new(changed) == path) {
            // The last member of a name counts.
            self.there.retain(|earlier| plain(&earlier.member.path) != path);
            self.there.push(entry.clone());
        }
    }

    /// Turns what was noted into what the host sees, and looks what is not there.
    pub(super) fn placed(&mut self, layers: &Layers, is_complete: bool) -> Result<(), ExtractError> {
        self.there.iter_mut().try_for_each(|entry| shift_ids(&mut entry.member, layers))?;
        let upperdir = Upperdir::open(layers)?;
        let shows = |path: &str| match upperdir.shows(Path::new(path)) {
            // A link in the place of /etc leads podman on; nothing of it is taken away.
            Err(ApplyError::Symlink { .. }) => Ok(true),
            shows => shows,
        };
        let has_etc = shows("etc")?;
        for path in MADE {
            // podman's own archives never have the link to the mounts.
            let is_told = is_complete || !has_etc || path != "etc/mtab";
            if is_told && !shows(path)? {
                self.not_there.push(path);
            }
        }
        Ok(())
    }

    pub(super) fn put_right(&self, archive: &CheckpointArchive) -> Result<(), RepairError> {
        let root = self.open_mounted()?;
        for path in &self.not_there {
            remove(&root, Path::new(path)).map_err(self.failed("remove", path))?;
        }
        let mut changed = Vec::new();
        for entry in &self.there {
            if self.has_changed(&root, &entry.member)? {
                changed.push(Ok(entry.clone()));
            }
        }
        if !changed.is_empty() {
            let policy = ClonePolicy::IfPossible;
            extract_tree(&mut archive.source()?, changed.into_iter(), &self.merged, policy, &mut Silent)?;
        }
        Ok(())
    }

    fn open_mounted(&self) -> Result<OwnedFd, RepairError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(&self.merged, flags, Mode::empty()).map_err(self.failed("open", ""))?;
        let stat = fstatfs(&root).map_err(self.failed("statfs", ""))?;
        if stat.f_type != OVERLAY {
            return Err(RepairError::NotMounted { path: self.merged.clone() });
        }
        Ok(root)
    }

    fn has_changed(&self, root: &OwnedFd, expected: &Member) -> Result<bool, RepairError> {
        let path = plain(&expected.path);
        let text = || path.to_string_lossy();
        let (parent, name) = match in_parent(root, &path) {
            Err(Errno::NOENT) => return Ok(true),
            found => found.map_err(self.failed("open the folder of", &text()))?,
        };
        if let Kind::HardLink { target } = &expected.kind {
            let inode = |path: &Path| -> Result<_, Errno> {
                let (parent, name) = in_parent(root, path)?;
                Ok(statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?.st_ino)
            };
            return Ok(inode(&path) != inode(&plain(target)));
        }
        match read_inode(&parent, name, expected.path.clone(), &|name| name != b"security.selinux") {
            Err(InodeError::Call { source: Errno::NOENT, .. } | InodeError::Socket { .. }) => Ok(true),
            found => Ok(!is_same(&found?.member, expected)),
        }
    }

    fn failed(&self, call: &'static str, path: &str) -> impl FnOnce(Errno) -> RepairError + use<> {
        let path = self.merged.join(path);
        move |source| RepairError::Call { call, path, source }
    }
}

fn is_same(one: &Member, other: &Member) -> bool {
    let xattrs = |member: &Member| {
        let mut xattrs: Vec<_> = member.xattrs.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone())).collect();
        xattrs.sort();
        xattrs
    };
    // A link has no mode of its own (symlink(7)).
    let mode = |member: &Member| (!matches!(member.kind, Kind::Symlink { .. })).then_some(member.mode);
    let plain = |member: &Member| (member.uid, member.gid, member.mtime, mode(member));
    plain(one) == plain(other) && one.kind == other.kind && xattrs(one) == xattrs(other)
}

/// Removes a symbolic link, or an empty directory, if that is what is there.
fn remove(root: &OwnedFd, path: &Path) -> Result<(), Errno> {
    let remove = || -> Result<(), Errno> {
        let (parent, name) = in_parent(root, path)?;
        let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => unlinkat(&parent, name, AtFlags::empty()),
            FileType::Directory => unlinkat(&parent, name, AtFlags::REMOVEDIR),
            _ => Ok(()),
        }
    };
    match remove() {
        Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
        removed => removed,
    }
}

/// A member's path, relative to the root.
fn plain(path: &[u8]) -> PathBuf {
    let components = Path::new(OsStr::from_bytes(path)).components();
    components.filter(|component| matches!(component, Component::Normal(_))).collect()
}
