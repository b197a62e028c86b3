//! The folder of an output, looked up once: what its path leads to later does not matter.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::error::{OutputError, call};

#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, OutputError> {
        // Whoever may write in a folder need not be allowed to read it.
        match open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => Ok(Folder(folder)),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(OutputError::NoFolder { folder: path.to_owned() }),
            Err(errno) => Err(call("open", path, errno.into())),
        }
    }

    /// A path to it for this process, for as long as this value lives (proc_pid_fd(5)).
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    pub(super) fn join(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }

    /// Brings the names in it to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(self.path())?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    /// Somebody who may rename folders, or exchange links, has no say in where a file appears that was begun.
    #[test]
    fn a_file_appears_in_the_folder_where_it_was_begun() {
        let parent = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = |name: &str| parent.path().join(name);
        for older in [false, true] {
            for name in ["begun", "other"] {
                fs::create_dir(path(name)).unwrap();
            }
            if older {
                fs::write(path("begun/x.tar"), "before").unwrap();
            }
            fs::write(path("other/x.tar"), "precious").unwrap();
            let output = Output::create(&path("begun/x.tar")).unwrap();
            fs::rename(path("begun"), path("moved")).unwrap();
            symlink("other", path("begun")).unwrap();
            output.file().write_all(b"new").unwrap();
            output.publish().unwrap();
            assert_eq!(fs::read_to_string(path("moved/x.tar")).unwrap(), "new");
            assert_eq!(fs::read_to_string(path("other/x.tar")).unwrap(), "precious");
            for name in ["moved", "other"] {
                assert_eq!(fs::read_dir(path(name)).unwrap().count(), 1);
                fs::remove_dir_all(path(name)).unwrap();
            }
            fs::remove_file(path("begun")).unwrap();
        }
    }
}
