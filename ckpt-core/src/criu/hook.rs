//! The moments of a dump or restore at which CRIU waits for a script's verdict.
//!
//! podman's runtime finds a `criu` of ours first in PATH. It is this very program under another name (`real_criu`). It
//! points CRIU_CONFIG_FILE at a configuration with an `action-script`, and executes the real criu. The script is this
//! program again: it asks the waiting `HookServer` over a socket, and exits with its verdict. Exit status 1 makes CRIU
//! undo a dump, after which the container runs on, or a restore (CRIU, `Documentation/criu.txt`, "--action-script").
//!
//! ```text
//! podman ── runtime ── SESSION/bin/criu ══exec══ criu ── SESSION/ckpt-hook
//!                                                              │ moment, image directory ─> hook.sock
//!   ckpt, waiting ── does its work ───────────────────────────>│ <─ '.' … 'y' or 'n'
//! ```

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::configuration::{Administrators, Packets};
use super::prefreeze;
use super::real_criu::mark;
use crate::host::session::{Session, SessionError};

/// Name of the link that is CRIU's action script.
pub(crate) const HOOK: &str = "ckpt-hook";
/// Name of the socket in the session folder.
const SOCKET: &str = "hook.sock";

/// How often a working server says so.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Without a word for so long, the script takes the server for lost and has the dump undone.
const PATIENCE: Duration = Duration::from_secs(15);

const ALIVE: u8 = b'.';
const CARRY_ON: u8 = b'y';
const ABORT: u8 = b'n';

/// A point at which CRIU waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Memory is dumped, and every task still stands.
    PostDump,
    /// All is mounted, and CRIU has not begun.
    PreRestore,
    /// All tasks are there again, and none has run.
    PostRestore,
    /// The same, and CRIU has removed its own files. It does not heed the verdict any more.
    PreResume,
}

impl Moment {
    const ALL: [Moment; 4] = [Moment::PostDump, Moment::PreRestore, Moment::PostRestore, Moment::PreResume];

    /// CRIU's name for it.
    fn action(self) -> &'static str {
        match self {
            Moment::PostDump => "post-dump",
            Moment::PreRestore => "pre-restore",
            Moment::PostRestore => "post-restore",
            Moment::PreResume => "pre-resume",
        }
    }

    fn of_action(action: &[u8]) -> Option<Self> {
        Moment::ALL.into_iter().find(|moment| moment.action().as_bytes() == action)
    }
}

/// CRIU calls its script at more moments than are the waiting run's; before a dump, the script itself has work to do.
pub(crate) fn ask_for_verdict(session: &Path) -> u8 {
    let action = env::var_os("CRTOOLS_SCRIPT_ACTION").unwrap_or_default();
    if action == "pre-dump" {
        prefreeze::freeze(session);
    }
    let Some(moment) = Moment::of_action(action.as_bytes()) else { return 0 };
    let words = ["CRTOOLS_IMAGE_DIR", "CRTOOLS_INIT_PID"].map(|name| env::var_os(name).unwrap_or_default());
    match ask(session, moment, &words) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("ckpt: no verdict at {}, all is undone: {error}", moment.action());
            1
        }
    }
}

/// `words` are CRIU's image directory and the number of the container's first process on the host, once that is there.
fn ask(session: &Path, moment: Moment, [image_dir, init]: &[OsString; 2]) -> io::Result<bool> {
    let mut server = UnixStream::connect(session.join(SOCKET))?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(&[moment.action().as_bytes(), image_dir.as_bytes(), init.as_bytes()].join(&0))?;
    server.shutdown(Shutdown::Write)?;
    loop {
        let mut word = [0];
        server.read_exact(&mut word)?;
        if word[0] != ALIVE {
            return Ok(word[0] == CARRY_ON);
        }
    }
}

/// Waits for CRIU's moments.
#[derive(Debug)]
pub(crate) struct HookServer {
    listener: UnixListener,
    path: OsString,
}

impl HookServer {
    /// Prepares `session` so that criu, found through [`HookServer::path`], calls back; `lines` go into its
    /// configuration, and what `packets` says.
    pub(crate) fn install(session: &Session, lines: &str, packets: Packets) -> Result<Self, SessionError> {
        let script = session.path().join(HOOK);
        link_own_program(&script)?;
        let call_back = [b"action-script \"", script.as_os_str().as_bytes(), b"\"\n", lines.as_bytes()].concat();
        let path = configure(session, &call_back, packets)?;
        let socket = session.path().join(SOCKET);
        let listener = UnixListener::bind(&socket).map_err(|source| SessionError::new("listen at", &socket, source))?;
        Ok(HookServer { listener, path })
    }

    /// PATH with our criu first.
    pub(crate) fn path(&self) -> OsString {
        self.path.clone()
    }

    /// Takes one call of the script; readable when there is one.
    pub(crate) fn accept(&self) -> io::Result<HookCall> {
        let (mut script, _) = self.listener.accept()?;
        script.set_read_timeout(Some(PATIENCE))?;
        let mut said = Vec::new();
        script.read_to_end(&mut said)?;
        let mut words = said.split(|&byte| byte == 0);
        let moment = words.next().and_then(Moment::of_action).ok_or(io::ErrorKind::InvalidData)?;
        let image_dir = OsStr::from_bytes(words.next().unwrap_or_default()).into();
        let init = words.next().and_then(|init| str::from_utf8(init).ok()?.parse().ok());
        HookCall::new(script, moment, image_dir, init)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Has podman's runtime run CRIU with `lines` in addition to what the administrator configured; gives the PATH that
/// does so.
fn configure(session: &Session, lines: &[u8], packets: Packets) -> Result<OsString, SessionError> {
    let bin = session.path().join("bin");
    fs::create_dir(&bin).map_err(|source| SessionError::new("create", &bin, source))?;
    link_own_program(&bin.join("criu"))?;
    let config = mark(session.path());
    let theirs = Administrators::read().map_err(|(path, source)| SessionError::new("read", &path, source))?;
    fs::write(&config, theirs.with(lines, packets)).map_err(|source| SessionError::new("write", &config, source))?;
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    Ok(path)
}

fn link_own_program(link: &Path) -> Result<(), SessionError> {
    symlink(own_program(), link).map_err(|source| SessionError::new("link", link, source))
}

/// The path of this program, or its link in /proc where the file has no path any more. The link stays right when the
/// file is replaced, but leads to another program once this process is dead and its number is used again.
fn own_program() -> PathBuf {
    let link = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    let is_same = |path: &PathBuf| {
        let ids = |path: &Path| path.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
        ids(path).is_some() && ids(path) == ids(&link)
    };
    fs::read_link(&link).ok().filter(is_same).unwrap_or(link)
}

/// CRIU's call at a moment: CRIU waits until it is answered. Dropped without an answer, it has CRIU undo its work.
#[derive(Debug)]
pub(crate) struct HookCall {
    moment: Moment,
    image_dir: PathBuf,
    init: Option<u32>,
    script: UnixStream,
    heart: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl HookCall {
    fn new(script: UnixStream, moment: Moment, image_dir: PathBuf, init: Option<u32>) -> io::Result<Self> {
        let mut beats = script.try_clone()?;
        let (stop, stopped) = mpsc::channel();
        let heart = thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(mpsc::RecvTimeoutError::Timeout)
                && beats.write_all(&[ALIVE]).is_ok()
            {}
        });
        Ok(HookCall { moment, image_dir, init, script, heart: Some((stop, heart)) })
    }

    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// Where CRIU has put its images.
    pub(crate) fn image_dir(&self) -> &Path {
        &self.image_dir
    }

    /// The container's first process, as the host numbers it; none before it is restored.
    pub(crate) fn init(&self) -> Option<u32> {
        self.init
    }

    /// Lets CRIU carry on: after a dump, the tasks end, or run on with `--leave-running`.
    pub(crate) fn carry_on(self) -> io::Result<()> {
        self.answer(CARRY_ON)
    }

    /// Has CRIU undo what it did: after a dump, the tasks run on; restored ones are killed.
    pub(crate) fn abort(self) -> io::Result<()> {
        self.answer(ABORT)
    }

    fn answer(mut self, word: u8) -> io::Result<()> {
        if let Some((stop, heart)) = self.heart.take() {
            drop(stop);
            // It only writes beats; if it panicked, the verdict still counts.
            let _ = heart.join();
        }
        self.script.write_all(&[word])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_session(serve: impl FnOnce(HookCall) + Send) -> io::Result<bool> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let server = HookServer { listener, path: OsString::new() };
        thread::scope(|scope| {
            scope.spawn(|| serve(server.accept().unwrap()));
            ask(folder.path(), Moment::PostDump, &["/images".into(), "7".into()])
        })
    }

    #[test]
    fn the_script_gets_the_verdict() {
        assert!(in_session(|call| call.carry_on().unwrap()).unwrap());
        assert!(!in_session(|call| call.abort().unwrap()).unwrap());
        in_session(|call| {
            assert_eq!((call.moment(), call.image_dir()), (Moment::PostDump, Path::new("/images")));
            assert_eq!(call.init(), Some(7));
            call.carry_on().unwrap();
        })
        .unwrap();
    }

    #[test]
    fn without_a_server_there_is_no_verdict() {
        let nobody = tempfile::tempdir().unwrap();
        assert!(ask(nobody.path(), Moment::PreRestore, &["/images".into(), OsString::new()]).is_err());
    }

    #[test]
    fn a_slow_server_says_that_it_lives() {
        let verdict = in_session(|call| {
            thread::sleep(HEARTBEAT + Duration::from_millis(200));
            call.carry_on().unwrap();
        });
        assert!(verdict.unwrap());
    }
}
