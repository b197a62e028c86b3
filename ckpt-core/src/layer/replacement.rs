//! A new upper directory beside the old one, which takes its place when it is whole.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, XattrFlags, flock, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::host::lock_holder;

/// The new directory could not be made, or not take the place of the old one, which is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{call} {}", path.display())]
pub struct ReplaceError {
    call: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReplaceError {
    let path = path.to_owned();
    move |source| ReplaceError { call, path, source }
}

/// What its name begins with.
const PREFIX: &str = ".ckpt-upper-";

/// The label that SELinux gives a directory by where it is.
const LABEL: &str = "security.selinux";

/// Removed with this value, as the old directory is after [`Replacement::publish`].
pub(super) struct Replacement {
    folder: TempDir,
    /// Locked, so that others know that somebody is at work.
    opened: File,
    old: PathBuf,
}

impl Replacement {
    /// An empty directory beside `old`, with its owner, mode and label. What killed runs left there is removed.
    pub(super) fn of(old: &Path) -> Result<Self, ReplaceError> {
        let parent = old.parent().unwrap_or(Path::new("/"));
        remove_leftovers(parent);
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        let folder = made.map_err(failed("create a folder in", parent))?;
        let opened = File::open(folder.path()).map_err(failed("open", folder.path()))?;
        flock(&opened, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| failed("lock", folder.path())(errno.into()))?;
        let replacement = Replacement { folder, opened, old: old.to_owned() };
        replacement.look_like_old().map_err(failed("make a folder like", old))?;
        Ok(replacement)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn look_like_old(&self) -> io::Result<()> {
        let old = fs::metadata(&self.old)?;
        std::os::unix::fs::fchown(&self.opened, Some(old.uid()), Some(old.gid()))?;
        self.opened.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        let mut label = vec![0; 4096];
        match rustix::fs::getxattr(&self.old, LABEL, &mut label[..]) {
            Ok(length) => rustix::fs::fsetxattr(&self.opened, LABEL, &label[..length], XattrFlags::empty())?,
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Takes the place of the old directory, which is removed.
    ///
    /// # Atomicity
    /// The name leads to the old directory or to the whole new one at any moment, also after a crash of the machine.
    pub(super) fn publish(self) -> Result<(), ReplaceError> {
        rustix::fs::syncfs(&self.opened).map_err(|errno| failed("sync", self.path())(errno.into()))?;
        renameat_with(CWD, self.path(), CWD, &self.old, RenameFlags::EXCHANGE)
            .map_err(|errno| failed("replace", &self.old)(errno.into()))?;
        let path = self.path().to_owned();
        self.folder.close().map_err(failed("remove the old upper directory, which is now", &path))
    }
}

fn remove_leftovers(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        if File::open(entry.path()).is_ok_and(|opened| lock_holder::is_gone(&opened)) {
            // The next run tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_directory_stays_until_the_new_one_is_whole() {
        let parent = tempfile::tempdir().unwrap();
        let old = parent.path().join("diff");
        fs::create_dir(&old).unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o751)).unwrap();
        fs::write(old.join("before"), "").unwrap();
        fs::create_dir(parent.path().join(".ckpt-upper-dead")).unwrap();

        let abandoned = Replacement::of(&old).unwrap();
        fs::write(abandoned.path().join("half"), "").unwrap();
        let replacement = Replacement::of(&old).unwrap();
        assert!(abandoned.path().exists(), "somebody is at work there");
        drop(abandoned);
        assert!(old.join("before").exists());
        fs::write(replacement.path().join("after"), "").unwrap();
        replacement.publish().unwrap();
        assert!(old.join("after").exists() && !old.join("before").exists());
        assert_eq!(fs::metadata(&old).unwrap().mode() & 0o7777, 0o751);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
