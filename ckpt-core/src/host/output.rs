//! A file that has no name until it is whole.

mod access;
mod destination;
mod error;
mod folder;
mod leftovers;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use destination::destination;
pub use error::OutputError;
use error::call;
use folder::Folder;
use leftovers::SUFFIX;

/// A file in the making: mode 0600, without a name where the file system can do that (O_TMPFILE), so that nothing
/// stays behind however this program ends.
#[derive(Debug)]
pub struct Output {
    /// For messages.
    path: PathBuf,
    /// Before the folder, without which a named one could not be removed.
    draft: Draft,
    folder: Folder,
    name: OsString,
}

#[derive(Debug)]
enum Draft {
    Unnamed(File),
    /// For NFS, FUSE and others without O_TMPFILE; removed when dropped.
    Named(NamedTempFile),
}

impl Output {
    /// Begins the file that will be `path`.
    ///
    /// # Errors
    /// [`OutputError`], for a folder that is not there among others.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let output = Output::with_mode(path, Mode::RUSR | Mode::WUSR)?;
        // A umask of 0777 would take that away as well.
        let mode = output.file().set_permissions(Permissions::from_mode(0o600));
        mode.map_err(|source| call("chmod", &output.path, source))?;
        Ok(output)
    }

    /// As [`Output::create`], for those who may read or write the older file if there is one, and else with the mode that
    /// other programs' new files get: 0666 less the umask.
    ///
    /// # Errors
    /// As [`Output::create`].
    pub fn create_with_umask(path: &Path) -> Result<Self, OutputError> {
        let output = Output::with_mode(path, Mode::from_raw_mode(0o666))?;
        access::keep(&output.folder.join(&output.name), output.file())
            .map_err(|source| call("keep the mode of", &output.path, source))?;
        Ok(output)
    }

    fn with_mode(path: &Path, mode: Mode) -> Result<Self, OutputError> {
        let no_name = || OutputError::NoFileName { path: path.to_owned() };
        path.file_name().ok_or_else(no_name)?;
        let path = destination(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(no_name()) };
        let (folder, name) = (Folder::open(parent)?, name.to_owned());
        leftovers::remove(&folder.path());
        let draft = draft_in(&folder.path(), mode).map_err(|source| call("create a file in", parent, source))?;
        let output = Output { path, draft, folder, name };
        leftovers::claim(output.file());
        Ok(output)
    }

    /// The same under another name in its folder.
    ///
    /// # Errors
    /// [`OutputError::NoFileName`] if that is more than a name, or none.
    pub fn renamed(mut self, name: &OsStr) -> Result<Self, OutputError> {
        if Path::new(name).file_name() != Some(name) {
            return Err(OutputError::NoFileName { path: name.into() });
        }
        self.path.set_file_name(name);
        self.name = name.to_owned();
        Ok(self)
    }

    /// Where it will be: an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        match &self.draft {
            Draft::Unnamed(file) => file,
            Draft::Named(file) => file.as_file(),
        }
    }

    /// Syncs the file and gives it its name, over an older file if there is one.
    ///
    /// # Errors
    /// [`OutputError::Call`]; an older file is still there then.
    ///
    /// # Atomicity
    /// The name leads to the old file or to the whole new one at any moment.
    pub fn publish(self) -> Result<(), OutputError> {
        self.file().sync_all().map_err(|source| call("sync", &self.path, source))?;
        let (path, folder) = self.give_name()?;
        folder.sync().map_err(|source| call("sync the folder of", &path, source))
    }

    /// As [`Output::publish`], for a file that must not be lost: it gets its name even if it cannot be synced.
    pub(crate) fn publish_at_any_rate(self) -> Result<(), OutputError> {
        // What is not on the disk yet may still get there, and nothing else has it.
        let _ = self.file().sync_all();
        let (_, folder) = self.give_name()?;
        let _ = folder.sync();
        Ok(())
    }

    /// As [`Output::publish`], leaving it to the kernel when the file gets to the disk. A crash of the machine within the
    /// next half minute may lose it, and on file systems that do not write a file's data before a rename (XFS) the older
    /// file with it: this is for what can be made again, as with tar(1), which nobody has to wait for.
    ///
    /// # Errors
    /// As [`Output::publish`].
    pub fn publish_unsynced(self) -> Result<(), OutputError> {
        self.give_name().map(drop)
    }

    fn give_name(self) -> Result<(PathBuf, Folder), OutputError> {
        let Output { path, draft, folder, name } = self;
        let (call_of, named) = match draft {
            Draft::Unnamed(file) => ("link a file to", link(&file, &folder, &name)),
            Draft::Named(file) => ("rename a file to", persist(file, &folder.join(&name))),
        };
        named.map_err(|source| call(call_of, &path, source))?;
        Ok((path, folder))
    }
}

fn draft_in(folder: &Path, mode: Mode) -> io::Result<Draft> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(folder, flags, mode) {
        Ok(file) => Ok(Draft::Unnamed(file.into())),
        // open(2): no O_TMPFILE in this file system, or in this kernel.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => named_in(folder, mode),
        Err(errno) => Err(errno.into()),
    }
}

fn named_in(folder: &Path, mode: Mode) -> io::Result<Draft> {
    let permissions = Permissions::from_mode(mode.as_raw_mode());
    let prefix = leftovers::prefix();
    let mut named = tempfile::Builder::new();
    named.prefix(&prefix).suffix(SUFFIX).permissions(permissions);
    named.tempfile_in(folder).map(Draft::Named).map_err(without_path)
}

/// linkat(2) never replaces a file, but rename(2) does. So where there is a file, the new one is linked under a temporary
/// name, and renamed. Killed in between, this leaves the temporary name, which the next output in the folder removes.
fn link(file: &File, folder: &Folder, name: &OsStr) -> io::Result<()> {
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link_to = |path: &Path| linkat(CWD, &descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW);
    let path = folder.join(name);
    match link_to(&path) {
        Err(Errno::EXIST) => {}
        linked => return Ok(linked?),
    }
    let temporary = tempfile::Builder::new()
        .prefix(&leftovers::prefix())
        .suffix(SUFFIX)
        .make_in(folder.path(), |temporary| Ok(link_to(temporary)?))
        .map_err(without_path)?;
    persist(temporary, &path)
}

/// The file stays open, and so claimed, until it has its name.
fn persist<F>(file: NamedTempFile<F>, path: &Path) -> io::Result<()> {
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// An error of `tempfile`, less the name that nobody else knows.
fn without_path(error: io::Error) -> io::Error {
    error.kind().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn the_name_appears_with_the_whole_file() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("x.tar");
        fs::write(&path, "before").unwrap();
        let output = Output::create(&path).unwrap();
        output.file().write_all(b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        output.publish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_next_output_removes_what_a_killed_one_left() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let left = folder.path().join(format!("{}left.partial", leftovers::prefix()));
        fs::write(&left, "whole, but nameless").unwrap();
        let output = Output::create(&folder.path().join("x.tar")).unwrap();
        assert!(!left.exists());
        output.publish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_dropped_output_leaves_nothing() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        drop(Output::create(&folder.path().join("x.tar")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// As where there is no O_TMPFILE.
    #[test]
    fn a_draft_with_a_name_becomes_the_file_or_is_removed() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("x.tar");
        for (before, published) in [(None, false), (None, true), (Some("before"), false), (Some("before"), true)] {
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let mut output = Output::create(&path).unwrap();
            output.draft = named_in(&output.folder.path(), Mode::RUSR | Mode::WUSR).unwrap();
            output.file().write_all(b"after").unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + before.iter().count());
            let expected = if published { Some("after") } else { before };
            if published {
                output.publish().unwrap();
            } else {
                drop(output);
            }
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), expected);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), expected.iter().count());
            let _ = fs::remove_file(&path);
        }
    }

    #[test]
    fn folders_and_missing_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Output::create(&folder.path().join("no/x.tar")).unwrap_err();
        assert!(missing.to_string().contains("does not exist"), "{missing}");
        assert!(matches!(Output::create(folder.path()).unwrap_err(), OutputError::NoFileName { .. }));
        assert!(matches!(Output::create(Path::new("/dev/null")).unwrap_err(), OutputError::NotAFile { .. }));
    }
}
