//! The file that an output's path leads to: symbolic links are followed, also those that lead to nothing yet, but none
//! that somebody else made in a folder for all.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Stat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::{OutputError, call};
use crate::host::link;

/// Links that lead to links, as many as the kernel follows: MAXSYMLINKS of linux/namei.h.
const MAX_LINKS: usize = 40;

/// The absolute path of the file that `path` leads to, or that will be there.
pub(super) fn destination(path: &Path) -> Result<PathBuf, OutputError> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(OutputError::NoFileName { path: path.to_owned() }),
        Ok(metadata) if metadata.is_file() => match behind_links(path)? {
            // A link of /proc may lead to a file without a name.
            end if end.symlink_metadata().is_ok_and(|found| found.is_file()) => Ok(end),
            _ => Err(call("resolve", path, ErrorKind::NotFound.into())),
        },
        Ok(_) => Err(OutputError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => behind_links(path),
        Err(source) => Err(call("look at", path, source)),
    }
}

/// Where a file that is opened to be made appears: at the name itself, or where the links from there end.
fn behind_links(path: &Path) -> Result<PathBuf, OutputError> {
    let mut end = absolute(path).map_err(|source| call("resolve", path, source))?;
    for _ in 0..MAX_LINKS {
        let Some(target) = target_of(&end)? else { return Ok(end) };
        // What is absolute takes the place of all before it.
        end.pop();
        end.push(target);
    }
    Err(call("resolve", path, Errno::LOOP.into()))
}

/// Where the link `path` leads, if it is one.
fn target_of(path: &Path) -> Result<Option<PathBuf>, OutputError> {
    let failed = |errno: Errno| call("resolve", path, io::Error::from(errno));
    let link = match link::read_optional(path) {
        Err(Errno::NOENT) | Ok(None) => return Ok(None),
        Ok(Some(link)) => link,
        Err(errno) => return Err(failed(errno)),
    };
    let folder = path.parent().map(stat).transpose().map_err(failed)?;
    if folder.is_some_and(|folder| !is_followed(&link.stat, &folder, geteuid().as_raw())) {
        return Err(OutputError::ForeignLink { path: path.to_owned() });
    }
    Ok(Some(link.target))
}

/// Whether the kernel lets `user` follow a link: `fs.protected_symlinks` in proc_sys_fs(5).
fn is_followed(link: &Stat, folder: &Stat, user: u32) -> bool {
    let is_for_all = folder.st_mode & 0o1002 == 0o1002;
    !is_for_all || link.st_uid == user || link.st_uid == folder.st_uid
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let output = Output::create(&link).unwrap();
        output.file().write_all(b"after").unwrap();
        output.publish().unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after");
    }

    #[test]
    fn a_link_that_leads_to_nothing_is_followed() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        symlink("folder/second", path("first")).unwrap();
        symlink("../target", path("folder/second")).unwrap();
        let output = Output::create(&path("first")).unwrap();
        output.file().write_all(b"new").unwrap();
        output.publish().unwrap();
        assert_eq!(fs::read_to_string(path("target")).unwrap(), "new");
        assert!(path("first").is_symlink() && path("folder/second").is_symlink());
        symlink("missing/target", path("lost")).unwrap();
        assert!(matches!(Output::create(&path("lost")).unwrap_err(), OutputError::NoFolder { .. }));
        symlink("loop", path("loop")).unwrap();
        assert!(matches!(Output::create(&path("loop")).unwrap_err(), OutputError::Call { .. }));
    }

    #[test]
    fn links_of_others_are_followed_as_the_kernel_follows_them() {
        let mut link = stat("/").unwrap();
        let mut folder = link;
        for (mode, link_owner, folder_owner, expected) in [
            (0o1777, 7, 0, false),
            (0o1777, 5, 0, true),
            (0o1777, 7, 7, true),
            (0o777, 7, 0, true),
            (0o1775, 7, 0, true),
        ] {
            (folder.st_mode, folder.st_uid, link.st_uid) = (0o040_000 | mode, folder_owner, link_owner);
            assert_eq!(is_followed(&link, &folder, 5), expected, "{mode:o} {link_owner} {folder_owner}");
        }
    }
}
