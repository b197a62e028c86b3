//! Directories are opened beneath an open root (`RESOLVE_BENEATH`, openat2(2)): no path leads out of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::Errno;

use crate::inode::os;

/// PATH_MAX of linux/limits.h, the final NUL included. No system call takes a longer path, so it is opened in pieces.
const PATH_MAX: usize = 4096;

/// How directories are opened below a root without following any symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, Linux 5.6.
    Openat2,
    /// One openat(2) with O_NOFOLLOW for each component.
    Components,
}

impl Resolver {
    /// The best one that works here; the answer is kept.
    ///
    /// Kernels before 5.6 answer `ENOSYS`, and seccomp filters that do not know the call `EPERM`.
    pub fn of_kernel() -> Self {
        static FOUND: OnceLock<Resolver> = OnceLock::new();
        *FOUND.get_or_init(|| match openat2(CWD, "/", OFlags::PATH, Mode::empty(), ResolveFlags::empty()) {
            Err(Errno::NOSYS | Errno::PERM) => Resolver::Components,
            _ => Resolver::Openat2,
        })
    }

    /// Opens the directory `path`, plain names below `root` or nothing for `root` itself, with `access` (O_PATH or
    /// O_RDONLY).
    ///
    /// `LOOP` means a symbolic link is on the way, `NOTDIR` another kind of file.
    pub(crate) fn open(self, root: BorrowedFd<'_>, path: &[u8], access: OFlags) -> Result<OwnedFd, Errno> {
        let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut above: Option<OwnedFd> = None;
        let mut rest = if path.is_empty() { b"." } else { path };
        loop {
            let parent = above.as_ref().map_or(root, |above| above.as_fd());
            let (piece, behind) = first_piece(rest);
            let flags = if behind.is_empty() { flags } else { ON_THE_WAY };
            let opened = match self {
                Resolver::Openat2 => open_at_once(parent, piece, flags),
                Resolver::Components => open_one_by_one(parent, piece, flags),
            }?;
            if behind.is_empty() {
                return Ok(opened);
            }
            (above, rest) = (Some(opened), behind);
        }
    }
}

/// Flags for a directory that only leads to another one.
const ON_THE_WAY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// As many of the first components of `path` as a system call takes, and the rest. The kernel refuses a component that
/// is too long by itself.
fn first_piece(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() < PATH_MAX {
        return (path, b"");
    }
    let is_slash = |byte: &u8| *byte == b'/';
    let last_that_fits = path[..PATH_MAX].iter().rposition(is_slash);
    match last_that_fits.or_else(|| path.iter().position(is_slash)) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (path, b""),
    }
}

/// Asks again after `AGAIN`, which RESOLVE_BENEATH gives when names move meanwhile (openat2(2)).
fn open_at_once(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    for _ in 0..16 {
        match openat2(root, os(path), flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

fn open_one_by_one(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut above: Option<OwnedFd> = None;
    let mut names = path.split(|&byte| byte == b'/').peekable();
    while let Some(name) = names.next() {
        let parent = above.as_ref().map_or(root, |above| above.as_fd());
        let flags = if names.peek().is_some() { ON_THE_WAY } else { flags };
        let opened = openat(parent, os(name), flags | OFlags::NOFOLLOW, Mode::empty());
        above = Some(opened.map_err(|errno| if errno == Errno::NOTDIR { no_directory(parent, name) } else { errno })?);
    }
    above.ok_or(Errno::NOENT)
}

/// O_DIRECTORY answers `NOTDIR` for a link that is not followed as for any other file. This tells them apart.
fn no_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Errno {
    match statat(parent, os(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => Errno::LOOP,
        _ => Errno::NOTDIR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn both_resolvers_stay_below_and_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("root/in/deeper")).unwrap();
        fs::create_dir(path("outside")).unwrap();
        fs::write(path("root/file"), b"").unwrap();
        symlink("/", path("root/slash")).unwrap();
        symlink("../outside", path("root/up")).unwrap();
        symlink("in", path("root/link")).unwrap();
        symlink("nothing", path("root/in/dangling")).unwrap();
        symlink("/proc/self/cwd", path("root/magic")).unwrap();
        let cases = [
            ("", Ok("root")),
            ("in", Ok("root/in")),
            ("in/deeper", Ok("root/in/deeper")),
            ("slash", Err(Errno::LOOP)),
            ("slash/etc", Err(Errno::LOOP)),
            ("up", Err(Errno::LOOP)),
            ("link", Err(Errno::LOOP)),
            ("link/deeper", Err(Errno::LOOP)),
            ("in/dangling", Err(Errno::LOOP)),
            ("in/dangling/x", Err(Errno::LOOP)),
            ("magic/x", Err(Errno::LOOP)),
            ("file", Err(Errno::NOTDIR)),
            ("file/x", Err(Errno::NOTDIR)),
            ("missing", Err(Errno::NOENT)),
            ("missing/x", Err(Errno::NOENT)),
        ];
        let root = File::open(path("root")).unwrap();
        for resolver in [Resolver::Openat2, Resolver::Components] {
            for access in [OFlags::PATH, OFlags::RDONLY] {
                for (asked, expected) in cases {
                    let opened = resolver.open(root.as_fd(), asked.as_bytes(), access);
                    let inode = opened.map(|opened| File::from(opened).metadata().unwrap().ino());
                    let expected = expected.map(|name| fs::metadata(path(name)).unwrap().ino());
                    assert_eq!(inode, expected, "{resolver:?} {access:?} {asked}");
                }
            }
        }
    }

    #[test]
    fn paths_are_walked_in_pieces_that_a_call_takes() {
        let name = "n".repeat(100);
        let path = vec![&name[..]; 90].join("/");
        let mut rest = path.as_bytes();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (piece, behind) = first_piece(rest);
            assert!(piece.len() < PATH_MAX);
            pieces.push(piece);
            rest = behind;
        }
        assert_eq!((pieces.len(), pieces.join(&b'/')), (3, path.clone().into_bytes()));
        for len in [PATH_MAX - 1, PATH_MAX, PATH_MAX + 1] {
            let (front, end) = ("a".repeat(len), format!("{}/b", "a".repeat(len)));
            assert_eq!(first_piece(front.as_bytes()), (front.as_bytes(), &b""[..]));
            assert!(first_piece(end.as_bytes()).0.len() == len);
        }

        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        for resolver in [Resolver::Openat2, Resolver::Components] {
            assert_eq!(resolver.open(root.as_fd(), path.as_bytes(), OFlags::PATH).err(), Some(Errno::NOENT));
        }
        let mut parent = OwnedFd::from(root.try_clone().unwrap());
        for _ in 0..90 {
            rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755)).unwrap();
            parent = openat(&parent, &name, ON_THE_WAY, Mode::empty()).unwrap();
        }
        let deepest = File::from(parent).metadata().unwrap().ino();
        for resolver in [Resolver::Openat2, Resolver::Components] {
            let opened = resolver.open(root.as_fd(), path.as_bytes(), OFlags::RDONLY).unwrap();
            assert_eq!(File::from(opened).metadata().unwrap().ino(), deepest);
        }
    }
}
