//! The file that a path leads to, if all links on the way are of users who are trusted.
//!
//! A link of somebody else could lead to what the owner of a file does not vouch for: to a file of root's into which a
//! container writes, or through /proc to the pipe of a process.

use std::fs::File;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open as open_any, openat2};
use rustix::io::Errno;

use super::trust::TrustError;
use crate::host::link;

/// Links that lead to links, as many as the kernel follows: MAXSYMLINKS of linux/namei.h.
const MAX_LINKS: usize = 40;

/// Opens it for reading, without waiting for who writes to a FIFO. A descriptor of this process by its name in /dev or
/// /proc is what the caller has handed over.
///
/// # Errors
/// [`TrustError::Link`], [`TrustError::Open`].
pub(super) fn open(path: &Path, is_trusted: impl Fn(u32) -> bool) -> Result<File, TrustError> {
    let failed = |errno: Errno| TrustError::Open { path: path.to_owned(), source: errno.into() };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Some(descriptor) = descriptor_optional(path) {
        let own = format!("/proc/self/fd/{descriptor}");
        return open_any(own, flags, Mode::empty()).map(File::from).map_err(failed);
    }
    let mut way = path.to_owned();
    for _ in 0..=MAX_LINKS {
        // Without any link: nobody can put one there between the look at it and this.
        match openat2(CWD, &way, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Err(Errno::LOOP) => way = without_first_link(&way, &is_trusted, &failed)?,
            opened => return opened.map(File::from).map_err(failed),
        }
    }
    Err(failed(Errno::LOOP))
}

/// The number in `/dev/fd/N`, as shells have it for `<(…)`.
fn descriptor_optional(path: &Path) -> Option<RawFd> {
    let text = path.to_str()?;
    match text {
        "/dev/stdin" => Some(0),
        _ => text.strip_prefix("/dev/fd/").or(text.strip_prefix("/proc/self/fd/"))?.parse().ok(),
    }
}

/// The same way with what its first link says in place of that.
fn without_first_link(
    way: &Path,
    is_trusted: &impl Fn(u32) -> bool,
    failed: &impl Fn(Errno) -> TrustError,
) -> Result<PathBuf, TrustError> {
    let mut before = PathBuf::new();
    let mut rest = way.components();
    while let Some(component) = rest.next() {
        before.push(component);
        let Some(link) = link::read_optional(&before).map_err(failed)? else { continue };
        if !is_trusted(link.stat.st_uid) {
            return Err(TrustError::Link { path: before, uid: link.stat.st_uid });
        }
        before.pop();
        // What is absolute takes the place of all before it.
        before.push(link.target);
        // Nothing would be a slash at the end.
        before.extend(rest);
        return Ok(before);
    }
    // Somebody has removed it meanwhile.
    Ok(before)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Read};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn ours() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn links_of_trusted_users_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/b/file"), "data").unwrap();
        symlink("a/b", path("short")).unwrap();
        symlink("../b/../b/file", path("a/b/relative")).unwrap();
        symlink(path("short/relative"), path("absolute")).unwrap();
        symlink("loop", path("loop")).unwrap();
        for name in ["a/b/file", "short/file", "a/b/relative", "absolute", "short/../b/file"] {
            let opened = open(&path(name), |uid| uid == ours());
            assert_eq!(io::read_to_string(opened.unwrap()).unwrap(), "data", "{name}");
        }
        for name in ["short/file", "a/b/relative", "absolute"] {
            let refused = open(&path(name), |uid| uid != ours());
            assert!(matches!(refused, Err(TrustError::Link { uid, .. }) if uid == ours()), "{name}: {refused:?}");
        }
        open(&path("a/b/file"), |_| false).unwrap();
        for (name, errno) in [("loop", Errno::LOOP), ("missing", Errno::NOENT)] {
            let refused = open(&path(name), |_| true);
            let is_it = |source: &io::Error| source.raw_os_error() == Some(errno.raw_os_error());
            assert!(matches!(&refused, Err(TrustError::Open { source, .. }) if is_it(source)), "{name}: {refused:?}");
        }
    }

    #[test]
    fn a_pipe_is_handed_over_by_its_descriptor_and_by_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let own = format!("/proc/self/fd/{}", reader.as_raw_fd());
        for path in [own.clone(), format!("/dev/fd/{}", reader.as_raw_fd())] {
            open(Path::new(&path), |_| false).unwrap();
        }
        let link = folder.path().join("archive.tar");
        let of_process = format!("/proc/{}/fd/{}", std::process::id(), reader.as_raw_fd());
        for target in [own, of_process.clone()] {
            symlink(target, &link).unwrap();
            assert!(matches!(open(&link, |_| true), Err(TrustError::Open { .. })));
            fs::remove_file(&link).unwrap();
        }
        assert!(open(Path::new(&of_process), |_| true).is_err());
        drop(writer);
        assert_eq!({ reader }.read(&mut [0]).unwrap(), 0);
    }
}
