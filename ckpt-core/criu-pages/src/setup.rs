//! What server and keeper have in common, made before they begin.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::checkpoint::Checkpoint;
use crate::criu_message::unheard_processes;
use crate::failure::{self, Failure};
use crate::journal::{Field, Journal};
use crate::kill::{end_within, kill_all};
use crate::readers::Readers;
use crate::status::{State, Status};
use crate::sys;

/// What a reader finds who wonders about a file that is in the way.
const OCCUPIED: &[u8] = b"The memory of these processes is still on its way. A checkpoint now would not have it.\n";

/// CRIU undoes a restore when a process has died. It waits for one forever that dies at the very end, when it has
/// stopped looking (`ignore_kids`, CRIU, `criu/cr-restore.c`).
const CRIU_PATIENCE: Duration = Duration::from_secs(1);

/// What a process becomes after a fork. It is given the end of the other one, which it waits for.
pub(crate) type Role = fn(&'static Setup, &mut Journal, BorrowedFd<'static>) -> !;

pub(crate) struct Setup {
    /// Each makes the other anew.
    pub(crate) server: Role,
    pub(crate) keeper: Role,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) readers: Readers,
    pub(crate) listener: BorrowedFd<'static>,
    /// Hangs up when who started the server ends.
    pub(crate) starter: BorrowedFd<'static>,
    pub(crate) status: File,
    pub(crate) status_path: PathBuf,
    pub(crate) socket_path: PathBuf,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) occupied: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn publish(&self, journal: &Journal, reason: Option<String>) {
        let (lazy, waiting) = (journal.get(Field::LazyBytes), journal.get(Field::WaitingBytes));
        let since = journal.get(Field::Since);
        let pid = |field| u32::try_from(journal.get(field)).unwrap_or(0);
        let status = Status {
            state: State::from_number(journal.get(Field::State)).unwrap_or(State::Failing),
            lazy_bytes: lazy,
            arrived_bytes: lazy.saturating_sub(waiting),
            since: (since > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(since)),
            processes: [pid(Field::Server), pid(Field::Keeper), pid(Field::Reserve)],
            reason,
        };
        // A full disk loses the progress; the file's blocks were there from the beginning.
        let _ = status.write(&self.status);
    }

    /// All is done: leaves nothing.
    pub(crate) fn end(&self, journal: &Journal, state: State) -> ! {
        journal.set(Field::State, state as u64);
        self.publish(journal, None);
        self.remove_files();
        sys::exit(0)
    }

    pub(crate) fn remove_files(&self) {
        self.remove_socket();
        self.make_room();
        let ours = self.status.metadata().ok();
        let there = fs::metadata(&self.status_path).ok();
        // Another restore may have a file of that name by now.
        if ours.zip(there).is_some_and(|(ours, there)| (ours.dev(), ours.ino()) == (there.dev(), there.ino())) {
            let _ = fs::remove_file(&self.status_path);
        }
    }

    /// See [`PageServer::occupy`](crate::PageServer::occupy).
    pub(crate) fn occupy(&self) {
        if let Some(path) = &self.occupied {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let _ = made.and_then(|mut file| file.write_all(OCCUPIED));
        }
    }

    /// Others make no files there, but directories, which stay.
    fn make_room(&self) {
        if let Some(path) = &self.occupied {
            let _ = fs::remove_file(path);
        }
    }

    pub(crate) fn remove_socket(&self) {
        let _ = fs::remove_file(&self.socket_path);
    }

    /// Kills all processes, and then lets go of their memory.
    pub(crate) fn give_up(&self, journal: &Journal, failure: &Failure) -> ! {
        self.give_up_because(journal, failure.to_string())
    }

    /// As [`Self::give_up`]; also where the other process did not come to the end of it.
    pub(crate) fn give_up_because(&self, journal: &Journal, reason: String) -> ! {
        journal.set(Field::State, State::Failing as u64);
        self.publish(journal, Some(reason.clone()));
        let unheard = journal.descriptor(Field::Connection).map(unheard_processes).unwrap_or_default();
        let pidfds: Vec<BorrowedFd<'_>> =
            journal.tasks().map(|[pidfd, _]| pidfd).chain(unheard.iter().map(AsFd::as_fd)).collect();
        kill_all(self.cgroup.as_deref(), &pidfds);
        // Afterwards CRIU is gone, or will not end by itself.
        if let Some(criu) = journal.descriptor(Field::Criu).filter(|_| journal.get(Field::Since) == 0) {
            end_within(criu, CRIU_PATIENCE);
        }
        failure::log(&reason);
        self.remove_socket();
        self.make_room();
        journal.set(Field::State, State::Failed as u64);
        self.publish(journal, Some(reason));
        sys::exit(1)
    }

    /// Why the other process has given up.
    pub(crate) fn reason(&self) -> String {
        let proc = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.status));
        let reason = crate::status::StatusFile::open(Path::new(&proc)).and_then(|file| file.read()).ok();
        reason.and_then(|status| status.reason).unwrap_or_else(|| "the page server failed".into())
    }
}
