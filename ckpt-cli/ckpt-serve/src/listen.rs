//! The socket: made so that at no moment anybody may connect but root and the group, or taken over from systemd.

use std::env;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::sys;

/// systemd's first descriptor: `SD_LISTEN_FDS_START`, sd_listen_fds(3).
const FIRST_PASSED: i32 = 3;

/// Neither others nor anybody's execute bit: what the socket is made with is 0660.
const UMASK: u32 = 0o117;

/// What podman and CRIU are used to, whatever the caller's is.
const USUAL_UMASK: u32 = 0o022;

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// No such group.
    #[error("there is no group {name:?}: make it by `groupadd {name}`, or name another one")]
    NoGroup {
        /// Its name.
        name: String,
    },
    /// The group's members cannot be found out.
    #[error("look for the group {name:?}")]
    Group {
        /// Its name.
        name: String,
        /// What getgrnam_r(3) says.
        #[source]
        source: io::Error,
    },
    /// A service is at work there.
    #[error("another `ckpt serve` listens at {}: end that one, or name another socket", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that must not be replaced.
    #[error("{} is no socket: choose another name", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("{call} {}", path.display())]
    Call {
        /// Which.
        call: &'static str,
        /// About what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// systemd has passed on something else than one socket.
    #[error("systemd passed on {count} sockets, and one is expected")]
    Passed {
        /// How many.
        count: String,
    },
    /// What systemd has passed on cannot be used.
    #[error("use the socket that systemd passed on")]
    PassedSocket(#[source] io::Error),
}

/// Where clients connect.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) listener: UnixListener,
    /// Where a service of our own may have its socket.
    pub(crate) private_folder: PathBuf,
    /// What is removed in the end; none where the socket is systemd's.
    _own: Option<OwnSocket>,
}

#[derive(Debug)]
struct OwnSocket {
    path: PathBuf,
    /// Who has it locked may remove the socket of a service that was killed.
    _lock: fs::File,
}

impl Listening {
    /// The socket of systemd, if it has passed one on, else one at `path` for `group`, or for root alone.
    pub(crate) fn begin(path: &Path, group: Option<&str>) -> Result<Self, ListenError> {
        rustix::process::umask(Mode::from_raw_mode(USUAL_UMASK));
        let private_folder = beside(path, ".podman");
        if let Some(listener) = passed_on()? {
            return Ok(Listening { listener, private_folder, _own: None });
        }
        let group = group.map(gid_of).transpose()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        make_folder(folder, group)?;
        // First: a lock beside a file of others may mean something to them, as /etc/passwd.lock does.
        is_there(path)?;
        let lock = lock(path)?;
        remove_dead(path)?;
        let listener = bind(path, group)?;
        let own = OwnSocket { path: path.to_owned(), _lock: lock };
        Ok(Listening { listener, private_folder, _own: Some(own) })
    }
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn call(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ListenError {
    let path = path.to_owned();
    move |source| ListenError::Call { call, path, source }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(ending);
    beside.into()
}

/// The one socket that systemd has passed on, if it has.
fn passed_on() -> Result<Option<UnixListener>, ListenError> {
    let is_for_us = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    let Some(count) = env::var("LISTEN_FDS").ok().filter(|_| is_for_us) else { return Ok(None) };
    if count != "1" {
        return Err(ListenError::Passed { count });
    }
    let passed: OwnedFd = sys::take_inherited(FIRST_PASSED).map_err(ListenError::PassedSocket)?;
    // Not for podman, nor for what it starts.
    fcntl_setfd(&passed, FdFlags::CLOEXEC).map_err(|errno| ListenError::PassedSocket(errno.into()))?;
    let listener = UnixListener::from(passed);
    listener.local_addr().map_err(ListenError::PassedSocket)?;
    Ok(Some(listener))
}

fn gid_of(name: &str) -> Result<u32, ListenError> {
    let found = Group::from_name(name);
    let found = found.map_err(|errno| ListenError::Group { name: name.to_owned(), source: errno.into() })?;
    found.map(|group| group.gid.as_raw()).ok_or_else(|| ListenError::NoGroup { name: name.to_owned() })
}

/// Makes the last folder of the path, or gives that of ours to the group. Any other folder is as its owner wants it.
fn make_folder(folder: &Path, group: Option<u32>) -> Result<(), ListenError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder != Path::new("/run/ckpt") => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(call("create", folder))?,
    }
    chown(folder, Some(0), Some(group.unwrap_or(0))).map_err(call("chown", folder))?;
    fs::set_permissions(folder, Permissions::from_mode(0o750)).map_err(call("chmod", folder))
}

/// As long as it is locked, no other service listens there.
fn lock(path: &Path) -> Result<fs::File, ListenError> {
    let lock = beside(path, ".lock");
    let mut options = fs::File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.create(true).truncate(false).write(true).open(&lock).map_err(call("open", &lock))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ListenError::InUse { path: path.to_owned() }),
        Err(errno) => Err(call("lock", &lock)(errno.into())),
    }
}

/// Whether there is a socket; anything else must not be replaced.
fn is_there(path: &Path) -> Result<bool, ListenError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(call("stat", path)(error)),
        Ok(found) if found.file_type().is_socket() => Ok(true),
        Ok(_) => Err(ListenError::NoSocket { path: path.to_owned() }),
    }
}

/// Removes the socket of a service that was killed.
fn remove_dead(path: &Path) -> Result<(), ListenError> {
    match is_there(path)? {
        false => Ok(()),
        true if UnixStream::connect(path).is_ok() => Err(ListenError::InUse { path: path.to_owned() }),
        true => fs::remove_file(path).map_err(call("remove", path)),
    }
}

/// Under a temporary name and root's group, then the group's, then under its own name: whoever sees it there sees it
/// as it stays. This is the program's only thread yet, so the umask is nobody else's.
fn bind(path: &Path, group: Option<u32>) -> Result<UnixListener, ListenError> {
    let new = beside(path, ".new");
    let _ = fs::remove_file(&new);
    rustix::process::umask(Mode::from_raw_mode(UMASK));
    let listener = UnixListener::bind(&new);
    rustix::process::umask(Mode::from_raw_mode(USUAL_UMASK));
    let listener = listener.map_err(call("listen at", path))?;
    chown(&new, Some(0), Some(group.unwrap_or(0))).map_err(call("chown", path))?;
    fs::rename(&new, path).map_err(call("rename to", path))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_socket_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "").unwrap();
        assert!(matches!(remove_dead(&path), Err(ListenError::NoSocket { .. })));
        fs::remove_file(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(remove_dead(&path), Err(ListenError::InUse { .. })));
        drop(listener);
        remove_dead(&path).unwrap();
        assert!(!path.exists());
        remove_dead(&path).unwrap();
    }

    #[test]
    fn one_service_listens_at_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let first = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(ListenError::InUse { .. })));
        drop(first);
        lock(&path).unwrap();
    }

    #[test]
    fn a_group_that_is_not_there_is_said() {
        assert!(matches!(gid_of("no-such-group"), Err(ListenError::NoGroup { name }) if name == "no-such-group"));
        assert_eq!(gid_of("root").unwrap(), 0);
    }
}
