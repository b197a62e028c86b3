//! Whether the archive comes from somebody who may have a root shell. CRIU's images are as good as one: they say with
//! which rights processes go on.
//!
//! Everything is asked of the opened file, never of its path a second time. That is why the folders of the path do not
//! matter: who may rename in them can put another file under the name, but only one of his own, which is refused. Links
//! that somebody else made are not followed (`trusted_path`).

use std::env;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The user behind sudo(8), by its uid.
const SUDO_UID: &str = "SUDO_UID";

/// Magic number of the file system of pipes without a name: `PIPEFS_MAGIC`, linux/magic.h.
const PIPEFS: i64 = 0x5049_5045;

/// Write permission of the group and of all others. The group's bits are the mask of an ACL, where there is one
/// (acl(5)): whoever an ACL lets write is in them.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why an archive is not restored.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It belongs to somebody else.
    #[error(
        "{} belongs to user {uid}, neither to root nor to you: whoever wrote it could run anything as root here. If that \
         is well, restore it with --trust",
        path.display()
    )]
    Owner {
        /// The archive.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others may have written it, and may still.
    #[error(
        "{} can be written by others (mode {:03o}): whoever did could run anything as root here. If it is as you left \
         it, `chmod go-w` it, or restore it with --trust",
        path.display(),
        mode & 0o777
    )]
    Writable {
        /// The archive.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// On the way to it, somebody else's link is to be followed.
    #[error(
        "{} is a symbolic link of user {uid}, neither root's nor yours: it may lead to anything. If that is well, restore \
         the archive with --trust",
        path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// It cannot be opened.
    #[error("open {}", path.display())]
    Open {
        /// The archive.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel does not say whose it is.
    #[error("stat {}", path.display())]
    Stat {
        /// The archive.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
}

/// Passes an archive that root or the caller owns and nobody else may write. Where the `caller` is not told, it is who
/// runs this program, and who called sudo.
///
/// A pipe without a name, or a socket, was handed over by the caller, who chose what is at its other end.
///
/// # Errors
/// [`TrustError`].
pub(super) fn check(archive: &File, path: &Path, caller: Option<u32>) -> Result<(), TrustError> {
    let stat = |source| TrustError::Stat { path: path.to_owned(), source };
    let metadata = archive.metadata().map_err(stat)?;
    if is_handed_over(archive, &metadata).map_err(stat)? {
        return Ok(());
    }
    let (uid, mode) = (metadata.uid(), metadata.mode());
    if !trusted_users(caller).contains(&uid) {
        return Err(TrustError::Owner { path: path.to_owned(), uid });
    }
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(TrustError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn is_handed_over(archive: &File, metadata: &Metadata) -> io::Result<bool> {
    let kind = metadata.file_type();
    Ok(kind.is_socket() || kind.is_fifo() && rustix::fs::fstatfs(archive)?.f_type == PIPEFS)
}

/// Only who is root already can set SUDO_UID for root: it is no way in.
pub(super) fn trusted_users(caller: Option<u32>) -> Vec<u32> {
    let sudoer = || env::var(SUDO_UID).ok().and_then(|uid| uid.parse().ok());
    match caller {
        Some(caller) => vec![0, caller],
        None => [0, rustix::process::geteuid().as_raw()].into_iter().chain(sudoer()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_may_write_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, trusted) in [(0o600, true), (0o644, true), (0o664, false), (0o606, false), (0o622, false)] {
            file.as_file().set_permissions(Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(file.as_file(), file.path(), None).is_ok(), trusted, "mode {mode:o}");
        }
    }

    #[test]
    fn a_caller_who_is_told_has_archives_of_its_own_and_roots() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ours = file.as_file().metadata().unwrap().uid();
        check(file.as_file(), file.path(), Some(ours)).unwrap();
        let checked = check(file.as_file(), file.path(), Some(ours + 1));
        assert_eq!(checked.is_ok(), ours == 0, "{checked:?}");
    }

    #[test]
    fn a_pipe_is_the_callers() {
        let (reader, _writer) = io::pipe().unwrap();
        check(&File::from(std::os::fd::OwnedFd::from(reader)), Path::new("-"), None).unwrap();
    }

    fn fifo() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o622);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        (folder, path)
    }

    #[test]
    fn a_named_pipe_is_as_good_as_its_owner() {
        let (_folder, path) = fifo();
        std::fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
        let fifo = File::options().read(true).write(true).open(&path).unwrap();
        assert!(matches!(check(&fifo, &path, None), Err(TrustError::Writable { mode, .. }) if mode & 0o777 == 0o622));
    }
}
