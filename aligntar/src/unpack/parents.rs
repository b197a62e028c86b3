//! Parent directories that an archive does not have.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use crate::inode::os;

/// Makes directories that members need and the archive does not have.
pub trait Parents {
    /// Makes the directory `path` and what is missing above it; `path` is relative to `root`, of plain names.
    ///
    /// # Errors
    /// Any error. It ends the unpacking.
    fn make(&mut self, root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Makes missing parents as mkdir -p does, mode 0755 less the umask, and follows no symbolic link.
#[derive(Debug, Default)]
pub struct PlainParents;

impl Parents for PlainParents {
    fn make(&mut self, root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut above: Option<OwnedFd> = None;
        for name in path.split(|&byte| byte == b'/') {
            let parent = above.as_ref().map_or(root, |above| above.as_fd());
            above = Some(open_or_make(parent, name)?);
        }
        Ok(())
    }
}

fn open_or_make(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(parent, os(name), flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            mkdirat(parent, os(name), Mode::from_raw_mode(0o755))?;
            openat(parent, os(name), flags, Mode::empty())
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_behind_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["root", "outside"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink("../outside", folder.path().join("root/out")).unwrap();
        let root = std::fs::File::open(folder.path().join("root")).unwrap();
        assert!(PlainParents.make(root.as_fd(), b"out/a").is_err());
        assert_eq!(std::fs::read_dir(folder.path().join("outside")).unwrap().count(), 0);
        PlainParents.make(root.as_fd(), b"a/b/c").unwrap();
        assert!(folder.path().join("root/a/b/c").is_dir());
    }
}
