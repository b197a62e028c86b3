//! One run's own folder below /run: its FIFO, its socket, and the `criu` that podman's runtime finds first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat, renameat};
use rustix::io::Errno;
use tempfile::TempDir;

/// Where sessions live: root's alone, and gone with the next boot.
pub(crate) const SESSIONS: &str = "/run/ckpt";

/// A session folder could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{call} {}", path.display())]
pub struct SessionError {
    call: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl SessionError {
    pub(crate) fn new(call: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        SessionError { call, path: path.into(), source: source.into() }
    }
}

/// A folder that is removed with this value; what a killed run left is removed by the next one.
#[derive(Debug)]
pub(crate) struct Session {
    folder: TempDir,
    /// Locked for as long as the session lives: that is how others know.
    _lock: File,
}

impl Session {
    pub(crate) fn begin() -> Result<Self, SessionError> {
        let sessions = Path::new(SESSIONS);
        let error = |call| move |source: io::Error| SessionError::new(call, SESSIONS, source);
        make_sessions_folder()?;
        // Between making a folder and locking it, it looks like a dead run's.
        let all = File::open(sessions).map_err(error("open"))?;
        flock(&all, FlockOperation::LockExclusive).map_err(|errno| SessionError::new("lock", SESSIONS, errno))?;
        remove_dead(sessions)?;
        let folder = tempfile::Builder::new().prefix("").tempdir_in(sessions).map_err(error("create a folder in"))?;
        let lock = File::open(folder.path()).map_err(error("open a folder in"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| SessionError::new("lock", folder.path(), errno))?;
        Ok(Session { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a fresh FIFO under `name`, in place of an older one: who has that open keeps it, who opens next gets this.
    pub(crate) fn fifo(&self, name: &str) -> Result<PathBuf, SessionError> {
        let path = self.path().join(name);
        let beside = path.with_extension("new");
        let error = |call| {
            let path = path.clone();
            move |errno: Errno| SessionError::new(call, path, errno)
        };
        mknodat(CWD, &beside, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(error("mkfifo"))?;
        renameat(CWD, &beside, CWD, &path).map_err(error("rename to"))?;
        Ok(path)
    }
}

/// A container's name that no other restore works on, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct NameLock(#[expect(dead_code, reason = "closing the file unlocks it")] File);

impl NameLock {
    /// Waits for the restore before, if there is one. `name` is podman's, so it has no slash.
    pub(crate) fn take(name: &str) -> Result<Self, SessionError> {
        make_sessions_folder()?;
        let path = Path::new(SESSIONS).join(format!("{name}.lock"));
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|source| SessionError::new("open", &path, source))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|errno| SessionError::new("lock", &path, errno))?;
        Ok(NameLock(file))
    }
}

pub(crate) fn make_sessions_folder() -> Result<(), SessionError> {
    let error = |call| move |source: io::Error| SessionError::new(call, SESSIONS, source);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(SESSIONS).map_err(error("create"))?;
    fs::set_permissions(SESSIONS, fs::Permissions::from_mode(0o700)).map_err(error("chmod"))
}

fn remove_dead(sessions: &Path) -> Result<(), SessionError> {
    let entries = fs::read_dir(sessions).map_err(|source| SessionError::new("read", sessions, source))?;
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let is_dead =
            File::open(&folder).is_ok_and(|opened| flock(&opened, FlockOperation::NonBlockingLockExclusive).is_ok());
        if is_dead {
            fs::remove_dir_all(&folder).map_err(|source| SessionError::new("remove", &folder, source))?;
        }
    }
    Ok(())
}
