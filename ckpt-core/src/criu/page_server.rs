//! The processes that bring pages to a restored container, started by this program under another name.
//!
//! ```text
//! ckpt ── ckpt-pages (the archive is its input) ── keeper, server: nobody's children, they outlive both
//!   │        "y" when they listen ──>│
//!   └── lets go of it ──> it ends; where CRIU has not come by then, they do as well
//! ```
//!
//! A program of its own forks without harm: this one has threads.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use criu_images::ImageError;
use criu_pages::{Checkpoint, State, StatusFile};
use rustix::event::{PollFd, PollFlags, poll};

use super::images::images_in;
use crate::archive::{CHECKPOINT, CheckpointArchive};
use crate::host::niceness;

/// `argv[0]` of the program that starts them.
pub(crate) const CALLED_AS: &str = "ckpt-pages";

/// Until a server that CRIU has come to says so; it takes less than a millisecond where nothing else has to be done.
const ACCEPT_LIMIT: Duration = Duration::from_secs(30);
const PERIOD: Duration = Duration::from_micros(200);

/// Nobody serves, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum PageServerError {
    /// A system call failed.
    #[error("{call} the page server")]
    Call {
        /// What was tried.
        call: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// It did not begin.
    #[error("the page server did not start: {words}")]
    NotStarted {
        /// What it said.
        words: String,
    },
    /// CRIU did not come to it in time.
    #[error("CRIU did not ask for memory that comes later")]
    NotAsked,
    /// Another archive lies at the same place.
    #[error("the archive was written to after the restore began")]
    Changed,
    /// It could not get hold of all memory that CRIU restored.
    #[error("the container was killed before it ran, for its memory could not come: {reason}")]
    NotHeld {
        /// Why not.
        reason: String,
    },
}

fn failed(call: &'static str) -> impl Fn(io::Error) -> PageServerError {
    move |source| PageServerError::Call { call, source }
}

/// What is another after a file was written to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    bytes: u64,
    modified: SystemTime,
}

impl Version {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Version { bytes: metadata.len(), modified: metadata.modified()? })
    }
}

/// A page server that was started; one that CRIU has not come to ends with this value.
#[derive(Debug)]
pub(crate) struct PageServer {
    starter: Child,
    status: StatusFile,
}

impl PageServer {
    /// Begins to serve the memory in `archive` to the CRIU that is going to work in `working_directory`, and notes how far
    /// it is in `status`.
    ///
    /// # Errors
    /// [`PageServerError`], also if the archive is not of this `version` any more.
    pub(crate) fn start(
        archive: &CheckpointArchive,
        version: &Version,
        working_directory: &Path,
        status: &Path,
    ) -> Result<Self, PageServerError> {
        let file = archive.file().try_clone().map_err(failed("start"))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(CALLED_AS).args([working_directory, status]);
        command.process_group(0).stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut starter = command.spawn().map_err(failed("start"))?;
        let mut ready = [0];
        let began = starter.stdout.as_mut().is_some_and(|stdout| stdout.read_exact(&mut ready).is_ok());
        if !began {
            let output = starter.wait_with_output().map_err(failed("wait for"))?;
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(PageServerError::NotStarted { words });
        }
        let status = StatusFile::open(status).map_err(failed("look at"))?;
        let server = PageServer { starter, status };
        // From here on, the server itself looks.
        match Version::of(archive.file()).map_err(failed("look at the archive of"))? == *version {
            true => Ok(server),
            false => Err(PageServerError::Changed),
        }
    }

    /// Waits until CRIU has come to the server. Call it at CRIU's pre-restore: it has come by then, if it ever will.
    ///
    /// # Errors
    /// [`PageServerError::NotAsked`].
    pub(crate) fn wait_for_criu(&self) -> Result<(), PageServerError> {
        let limit = Instant::now() + ACCEPT_LIMIT;
        loop {
            let status = self.status.read().map_err(failed("look at"))?;
            match status.state {
                State::Listening if Instant::now() < limit => thread::sleep(PERIOD),
                State::Receiving | State::Held => return Ok(()),
                _ => return Err(PageServerError::NotAsked),
            }
        }
    }

    /// Waits until all memory that CRIU restored is in the server's hands, which is before any of it is used. Call it when
    /// CRIU has restored it; gives whether CRIU has come at all, and not brought the memory itself.
    ///
    /// # Errors
    /// [`PageServerError::NotHeld`]: the restored processes are dead then.
    pub(crate) fn wait_until_held(&mut self) -> Result<bool, PageServerError> {
        // A CRIU that has not come by now never will.
        if self.status.read().map_err(failed("look at"))?.state == State::Listening {
            self.let_go();
        }
        self.status.wait_until(|status| status.state >= State::Held).map_err(failed("look at"))?;
        self.check()
    }

    /// Gives whether CRIU has come, or may still come.
    ///
    /// # Errors
    /// As [`PageServer::wait_until_held`].
    pub(crate) fn check(&self) -> Result<bool, PageServerError> {
        let status = self.status.read().map_err(failed("look at"))?;
        match status.state {
            State::Abandoned => Ok(false),
            State::Failing | State::Failed | State::Lost => {
                Err(PageServerError::NotHeld { reason: status.reason.unwrap_or_default() })
            }
            _ => Ok(true),
        }
    }

    fn let_go(&mut self) {
        drop(self.starter.stdout.take());
        // It ends at once; if it cannot be waited for, nothing is left to be done.
        let _ = self.starter.wait();
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// The memory that may come later, out of CRIU's images in `archive`.
pub(crate) fn checkpoint_in(archive: &CheckpointArchive) -> Result<Checkpoint, ImageError> {
    Checkpoint::read(&images_in(archive))
}

/// The program that starts the server, and ends when nobody reads its output any more.
pub(crate) fn serve() -> u8 {
    niceness::be_as_urgent_as_parent();
    match serve_as_told() {
        Ok(()) => 0,
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&*error);
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            1
        }
    }
}

fn serve_as_told() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let mut next = || arguments.next().ok_or("an argument is missing");
    let (working_directory, status) = (next()?, next()?);
    // Opened anew: whoever started this one reads it as well, and goes on from another place.
    let archive = File::open("/proc/self/fd/0")?;
    // It is not compressed: nothing is unpacked anywhere.
    let archive = CheckpointArchive::read(archive, Path::new("the archive"), Path::new("/"), None)?;
    let server = criu_pages::PageServer::new(checkpoint_in(&archive)?, &working_directory, &status);
    // A checkpoint by podman alone begins with this folder. What podman restored from it removes.
    let server = server.occupy(&working_directory.join(CHECKPOINT));
    let _serving = server.start()?;
    let mut stdout = io::stdout();
    stdout.write_all(b"y")?;
    stdout.flush()?;
    // poll(2) tells POLLERR of a pipe that nobody reads, whatever was asked for.
    while poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None).is_err() {}
    Ok(())
}
