//! One run's own folder below /run/ckpt: its FIFO, its socket, and the `criu` that podman's runtime finds first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat, renameat};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::host::lock_holder;
use crate::host::waiting::Waiting;

/// Where sessions live: root's alone, and gone with the next boot. Not in /run/ckpt itself, which a group may enter for
/// its socket: who can open a folder or a file can lock it, and keep all others waiting.
pub(crate) const SESSIONS: &str = "/run/ckpt/sessions";

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

/// Where podman has its temporary files, which it leaves behind when it is killed. Not in a session's folder: conmon
/// gets podman's environment, and lives as long as the container.
const SCRATCH: &str = "tmp";

/// Where it is noted whose memory is on its way, a file for each container.
const MEMORY: &str = "memory";

/// Name of the file that says what the session works on.
const CONTAINER: &str = "container";

/// A folder that is removed with this value; what a killed run left, the next one puts right (`recovery`).
#[derive(Debug)]
pub(crate) struct Session {
    folder: TempDir,
    /// Locked for as long as the session lives: that is how others know.
    _lock: File,
}

impl Session {
    pub(crate) fn begin(waiting: &mut Waiting<'_>) -> Result<Self, SessionError> {
        let sessions = Path::new(SESSIONS);
        let error = |call| move |source: io::Error| SessionError::new(call, SESSIONS, source);
        // Between making a folder and locking it, it looks like a dead run's.
        let _all = lock_all(waiting)?;
        make(&scratch())?;
        let folder = tempfile::Builder::new().prefix("").tempdir_in(sessions).map_err(error("create a folder in"))?;
        let lock = File::open(folder.path()).map_err(error("open a folder in"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| SessionError::new("lock", folder.path(), errno))?;
        Ok(Session { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Says whose container may stand still because of this session, for the run that finds it dead.
    pub(crate) fn set_container(&self, id: &str) -> Result<(), SessionError> {
        let path = self.path().join(CONTAINER);
        fs::write(&path, id).map_err(|source| SessionError::new("write", path, source))
    }

    /// Makes a new FIFO under `name`, in place of an older one. Who has the older one open keeps it; who opens the name next
    /// gets the new one.
    pub(crate) fn fifo(&self, name: &str) -> Result<PathBuf, SessionError> {
        let path = self.path().join(name);
        let new = path.with_extension("new");
        let error = |call| {
            let path = path.clone();
            move |errno: Errno| SessionError::new(call, path, errno)
        };
        mknodat(CWD, &new, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(error("mkfifo"))?;
        renameat(CWD, &new, CWD, &path).map_err(error("rename to"))?;
        Ok(path)
    }
}

impl Drop for Session {
    /// A podman that was ended has left its temporary files. If others are at work, or put something right, they take
    /// them away.
    fn drop(&mut self) {
        let is_clear = fs::read_dir(scratch()).map_or(true, |mut entries| entries.next().is_none());
        let Some(_all) = (!is_clear).then(try_lock_all).flatten() else { return };
        let _ = fs::remove_dir_all(self.folder.path());
        let _ = clear_scratch();
    }
}

/// A container's name that no other restore works on, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct NameLock(#[expect(dead_code, reason = "closing the file unlocks it")] File);

impl NameLock {
    /// Waits for the restore before, if there is one. `name` is podman's, so it has no slash.
    pub(crate) fn take(name: &str, waiting: &mut Waiting<'_>) -> Result<Self, SessionError> {
        make_sessions_folder()?;
        let path = Path::new(SESSIONS).join(format!("{name}.lock"));
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|source| SessionError::new("open", &path, source))?;
        let told = || format!("another restore makes a container {name:?}: waiting for its end");
        lock(&file, told, waiting).map_err(|source| SessionError::new("lock", &path, source))?;
        Ok(NameLock(file))
    }
}

pub(crate) fn make_sessions_folder() -> Result<(), SessionError> {
    make(Path::new(SESSIONS))?;
    let permissions = fs::Permissions::from_mode(0o700);
    fs::set_permissions(SESSIONS, permissions).map_err(|source| SessionError::new("chmod", SESSIONS, source))
}

fn make(folder: &Path) -> Result<(), SessionError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| SessionError::new("create", folder, source))
}

/// No session begins, and no dead one is put right, while this file is open.
pub(crate) fn lock_all(waiting: &mut Waiting<'_>) -> Result<File, SessionError> {
    make_sessions_folder()?;
    let all = File::open(SESSIONS).map_err(|source| SessionError::new("open", SESSIONS, source))?;
    let told =
        || format!("another ckpt is putting right what a killed one left: waiting for it (it has {SESSIONS} locked)");
    lock(&all, told, waiting).map_err(|source| SessionError::new("lock", SESSIONS, source))?;
    Ok(all)
}

fn try_lock_all() -> Option<File> {
    let all = File::open(SESSIONS).ok()?;
    flock(&all, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(all)
}

fn lock(file: &File, told: impl Fn() -> String, waiting: &mut Waiting<'_>) -> io::Result<()> {
    waiting.until(told, || match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        locked => Ok(locked.map(|()| true)?),
    })
}

/// Folders of sessions whose runs were killed. Call it with all sessions locked.
pub(crate) fn dead() -> Result<Vec<PathBuf>, SessionError> {
    let mut folders = folders()?;
    folders.retain(|folder| is_dead(folder));
    Ok(folders)
}

fn folders() -> Result<Vec<PathBuf>, SessionError> {
    let entries = fs::read_dir(SESSIONS).map_err(|source| SessionError::new("read", SESSIONS, source))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.is_dir() && *path != scratch() && *path != memory_folder()).collect())
}

/// Whether no run works in the session `folder` any more.
pub(crate) fn is_over(folder: &Path) -> bool {
    !folder.exists() || is_dead(folder)
}

fn is_dead(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|opened| lock_holder::is_gone(&opened))
}

/// podman's temporary folder.
pub(crate) fn scratch() -> PathBuf {
    Path::new(SESSIONS).join(SCRATCH)
}

/// Where it is noted whose memory is on its way.
pub(crate) fn memory_folder() -> PathBuf {
    Path::new(SESSIONS).join(MEMORY)
}

/// As [`memory_folder`], which is there then.
pub(crate) fn make_memory_folder() -> Result<PathBuf, SessionError> {
    make_sessions_folder()?;
    make(&memory_folder())?;
    Ok(memory_folder())
}

/// Removes what killed podmans left in their temporary folder, if none is at work. Call it with all sessions locked.
pub(crate) fn clear_scratch() -> Result<(), SessionError> {
    if folders()?.is_empty() && scratch().exists() {
        fs::remove_dir_all(scratch()).map_err(|source| SessionError::new("remove", scratch(), source))?;
        make(&scratch())?;
    }
    Ok(())
}

/// The container that the session in `folder` worked on, if it could stand still because of it.
pub(crate) fn container_of(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(CONTAINER)).ok()
}
