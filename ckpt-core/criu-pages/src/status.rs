//! What others may know of a restore: a small file, locked as long as somebody serves.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Bytes of the file, whatever it says.
const LENGTH: usize = 4096;
/// How often a waiting reader looks.
const PAUSE: Duration = Duration::from_millis(5);

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum State {
    /// CRIU has not come yet.
    Listening,
    /// CRIU hands over the processes' memory.
    Receiving,
    /// The server's processes hold all of it. A restore must not go on before this.
    Held,
    /// CRIU is done; the processes run, and pages come.
    Arriving,
    /// Nothing is to come any more: all is there, or nobody is left who wants it.
    Complete,
    /// CRIU never came, and who started the server has ended.
    Abandoned,
    /// What went wrong cannot be put right: the processes are being killed.
    Failing,
    /// The processes are dead.
    Failed,
    /// All three of the server's processes were killed at once, and the kernel killed the restored ones.
    Lost,
}

const STATES: [(State, &str); 9] = [
    (State::Listening, "listening"),
    (State::Receiving, "receiving"),
    (State::Held, "held"),
    (State::Arriving, "arriving"),
    (State::Complete, "complete"),
    (State::Abandoned, "abandoned"),
    (State::Failing, "failing"),
    (State::Failed, "failed"),
    (State::Lost, "lost"),
];

impl State {
    /// Whether nobody serves any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Abandoned | Self::Failed | Self::Lost)
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        STATES.iter().map(|(state, _)| *state).find(|&state| state as u64 == number)
    }

    fn name(self) -> &'static str {
        STATES[self as usize].1
    }
}

/// A restore at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far it is.
    pub state: State,
    /// Bytes that could come later, those of children that were forked since among them.
    pub lazy_bytes: u64,
    /// Bytes of them that have come, or that nobody wants any more.
    pub arrived_bytes: u64,
    /// When they began to come.
    pub since: Option<SystemTime>,
    /// IDs of server and keeper.
    pub processes: [u32; 3],
    /// Why it failed.
    pub reason: Option<String>,
}

impl Status {
    /// Bytes a second since they began to come; none before.
    pub fn rate(&self) -> Option<u64> {
        let elapsed = self.since?.elapsed().ok()?.as_secs_f64();
        (elapsed > 0.0).then(|| (self.arrived_bytes as f64 / elapsed) as u64)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let since = self.since.and_then(|since| since.duration_since(SystemTime::UNIX_EPOCH).ok());
        let since = since.map_or(0, |since| since.as_millis());
        let [server, keeper, reserve] = self.processes;
        let (state, lazy, arrived) = (self.state.name(), self.lazy_bytes, self.arrived_bytes);
        let _ = write!(
            text,
            "state {state}\nlazy_bytes {lazy}\narrived_bytes {arrived}\nsince_ms {since}\nserver {server}\nkeeper {keeper}\nreserve {reserve}\n"
        );
        if let Some(reason) = &self.reason {
            let _ = writeln!(text, "reason {}", reason.replace('\n', " "));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = |name: &str| value(name)?.parse::<u64>().ok();
        let pid = |name: &str| value(name)?.parse::<u32>().ok();
        let state = value("state")?;
        let since = number("since_ms")?;
        Some(Self {
            state: STATES.iter().find(|(_, name)| *name == state)?.0,
            lazy_bytes: number("lazy_bytes")?,
            arrived_bytes: number("arrived_bytes")?,
            since: (since > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(since)),
            processes: [pid("server")?, pid("keeper")?, pid("reserve")?],
            reason: value("reason").map(str::to_owned),
        })
    }

    /// Replaces what the file says, in one write(2).
    pub(crate) fn write(&self, file: &File) -> io::Result<()> {
        let mut bytes = self.text().into_bytes();
        bytes.resize(LENGTH, b'\n');
        file.write_all_at(&bytes, 0)
    }
}

/// The status file of a restore.
///
/// Server and keeper hold a lock on it, and remove it when all is [`Complete`](State::Complete) or
/// [`Abandoned`](State::Abandoned); who has it open sees the end nevertheless. If it is there and nobody holds the
/// lock, the restore has failed, and the file says why; remove it then.
#[derive(Debug)]
pub struct StatusFile {
    file: File,
}

impl StatusFile {
    /// Opens the file that was named to [`PageServer`](crate::PageServer).
    ///
    /// # Errors
    /// `NotFound` if nothing is to come any more.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)? })
    }

    /// What it says now.
    ///
    /// # Errors
    /// If it cannot be read, or is no status file.
    pub fn read(&self) -> io::Result<Status> {
        let served = self.is_served()?;
        let mut bytes = vec![0; LENGTH];
        let length = self.file.read_at(&mut bytes, 0)?;
        let text = String::from_utf8_lossy(&bytes[..length]);
        let mut status = Status::parse(&text).ok_or(io::ErrorKind::InvalidData)?;
        if !served && !status.state.is_final() {
            status.state = State::Lost;
            status.reason.get_or_insert_with(|| "the page server was killed, and all processes with it".into());
        }
        Ok(status)
    }

    /// Whether server or keeper is there.
    fn is_served(&self) -> io::Result<bool> {
        match flock(&self.file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                flock(&self.file, FlockOperation::Unlock)?;
                Ok(false)
            }
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until `reached` says so, or nobody serves any more.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn wait_until(&self, mut reached: impl FnMut(&Status) -> bool) -> io::Result<Status> {
        loop {
            let status = self.read()?;
            if status.state.is_final() || reached(&status) {
                return Ok(status);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Waits until nothing is to come any more and the server's processes have ended.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn wait(&self) -> io::Result<Status> {
        flock(&self.file, FlockOperation::LockShared)?;
        flock(&self.file, FlockOperation::Unlock)?;
        self.read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_it_was_written() -> anyhow::Result<()> {
        let path = tempfile::NamedTempFile::new()?;
        let file = path.reopen()?;
        flock(&file, FlockOperation::LockExclusive)?;
        let mut status = Status {
            state: State::Failing,
            lazy_bytes: u64::MAX,
            arrived_bytes: 7,
            since: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)),
            processes: [3, 4, 5],
            reason: Some("x".repeat(100)),
        };
        status.write(&file)?;
        let reader = StatusFile::open(path.path())?;
        assert_eq!(reader.read()?, status);
        status = Status { state: State::Held, since: None, reason: None, ..status };
        status.write(&file)?;
        assert_eq!(reader.read()?, status);
        assert_eq!(reader.wait_until(|status| status.state >= State::Held)?, status);
        drop(file);
        assert_eq!(reader.wait()?.state, State::Lost);
        Ok(())
    }

    #[test]
    fn each_state_has_its_number() {
        for (place, (state, _)) in STATES.into_iter().enumerate() {
            assert_eq!(state as usize, place);
            assert_eq!(State::from_number(place as u64), Some(state));
        }
        assert_eq!(State::from_number(9), None);
    }
}
