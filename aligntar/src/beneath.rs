//! Paths from an untrusted archive, resolved below an open directory and never outside it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::inode::os;

/// A path of plain names below the root: relative, without `.`, `..`, empty components or NUL; empty for the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SafePath(Vec<u8>);

impl SafePath {
    /// `path` with leading slashes and `.` taken off, as GNU tar does; `None` if it holds `..` or NUL, or is empty.
    pub(crate) fn new(path: &[u8]) -> Option<Self> {
        if path.is_empty() || path.contains(&0) {
            return None;
        }
        let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        if names.clone().any(|name| name == b"..") {
            return None;
        }
        Some(SafePath(names.collect::<Vec<_>>().join(&b'/')))
    }

    /// Directory and name; `None` for the root.
    pub(crate) fn split(&self) -> Option<(SafePath, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => Some((SafePath(self.0[..slash].to_vec()), &self.0[slash + 1..])),
            None => Some((SafePath(Vec::new()), &self.0)),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Opens `path` below `root` without following any symbolic link.
///
/// `LOOP` means a symbolic link is on the way, `NOTDIR` another kind of file. RESOLVE_BENEATH says `AGAIN` when names
/// move while it looks (openat2(2)); it is asked again.
pub(crate) fn open(root: impl AsFd, path: &SafePath, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.0.is_empty() { b"." } else { path.as_bytes() };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    for _ in 0..16 {
        match openat2(root.as_fd(), os(path), flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_leads_nowhere() {
        let cases: [(&[u8], Option<&[u8]>); 9] = [
            (b"a/b", Some(b"a/b")),
            (b"/a//./b/", Some(b"a/b")),
            (b".", Some(b"")),
            (b"/", Some(b"")),
            (b"..", None),
            (b"a/../b", None),
            (b"", None),
            (b"a\0b", None),
            (b"..a/b..", Some(b"..a/b..")),
        ];
        for (path, expected) in cases {
            assert_eq!(SafePath::new(path).as_ref().map(SafePath::as_bytes), expected, "{path:?}");
        }
    }

    #[test]
    fn symbolic_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", root.path().join("out")).unwrap();
        std::fs::create_dir(root.path().join("in")).unwrap();
        let root = std::fs::File::open(root.path()).unwrap();
        let open = |path: &str| open(&root, &SafePath::new(path.as_bytes()).unwrap(), OFlags::PATH | OFlags::DIRECTORY);
        assert_eq!(open("out/etc").unwrap_err(), Errno::LOOP);
        assert!(open("in").is_ok());
    }
}
