//! What a restore is about to make, written down before podman is started: beside the storage, since a half-made
//! container outlives a reboot as well.
//!
//! ```text
//! GRAPH_ROOT/ckpt-restore-XXXXXX.json     locked by flock(2) for as long as its run lives
//!   {"name":"web","id":null,"volumes":["data"],"networks":["podman"],"session":"/run/ckpt/abc"}
//!   {"made":"0123…"}                      the container's ID, as soon as it is known
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, Timespec, Timestamps, UTIME_NOW, flock, futimens};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::session;

/// How names of journals begin.
const PREFIX: &str = "ckpt-restore-";

/// How long podman may go on making things after the last sign of life of a run that is killed: podman gets a SIGTERM
/// then, and finishes what it is at.
const GRACE: Duration = Duration::from_secs(10);

/// The journal could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{call} a journal in {}", folder.display())]
pub struct JournalError {
    call: &'static str,
    folder: PathBuf,
    #[source]
    source: io::Error,
}

/// What a restore is about to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// The container's name.
    pub(crate) name: String,
    /// Its ID, if it gets the one from before.
    pub(crate) id: Option<String>,
    /// Volumes that are not there yet.
    pub(crate) volumes: Vec<String>,
    /// Networks in which podman leases addresses for it.
    #[serde(default)]
    pub(crate) networks: Vec<String>,
    /// The folder of its session, which podman's arguments name.
    pub(crate) session: PathBuf,
}

impl Begun {
    /// Name of a container that has the volumes for a moment and never runs (`restore/settle.rs`). One of a killed run has
    /// to be removed before them.
    pub(crate) fn helper(&self) -> String {
        format!("ckpt-volumes-{}", self.session.file_name().unwrap_or_default().to_string_lossy())
    }
}

#[derive(Deserialize, Serialize)]
struct Made {
    made: String,
}

/// The journal of a restore under way, or of a dead one.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Locked.
    file: File,
    path: PathBuf,
    pub(crate) begun: Begun,
    made: Option<String>,
}

impl Journal {
    /// Writes down what is `begun` in the storage at `graph_root`, on to the disk.
    pub(crate) fn begin(graph_root: &Path, begun: Begun) -> Result<Self, JournalError> {
        let error = |call| move |source| JournalError { call, folder: graph_root.to_owned(), source };
        // Until it is locked, it looks like a dead run's.
        let all = session::lock_all().map_err(|source| error("lock")(io::Error::other(source)))?;
        let mut named = tempfile::Builder::new();
        let named = named.prefix(PREFIX).suffix(".json").tempfile_in(graph_root).map_err(error("create"))?;
        flock(&named, FlockOperation::NonBlockingLockExclusive).map_err(|errno| error("lock")(errno.into()))?;
        drop(all);
        Self::write(named, begun).map_err(error("write"))
    }

    fn write(mut named: NamedTempFile, begun: Begun) -> io::Result<Self> {
        named.write_all(&line(&begun))?;
        named.as_file().sync_all()?;
        let (file, path) = named.keep().map_err(|error| error.error)?;
        Ok(Journal { file, path, begun, made: None })
    }

    /// Says that the run still lives, and has not seen what it makes.
    pub(crate) fn alive(&self) {
        if self.made.is_none() {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            // Without it, less is known to be ours: nothing of others is harmed.
            let _ = futimens(&self.file, &Timestamps { last_access: now, last_modification: now });
        }
    }

    /// Notes the container's ID.
    pub(crate) fn made(&mut self, id: &str) -> Result<(), JournalError> {
        let written = self.file.write_all(&line(&Made { made: id.to_owned() }));
        let folder = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        written.map_err(|source| JournalError { call: "write", folder, source })?;
        self.made = Some(id.to_owned());
        Ok(())
    }

    /// Whether this run made what is at `path` on the disk, a container with `id` or a volume: as it noted, or else by
    /// the time of its making.
    pub(crate) fn is_maker_of(&self, path: &Path, id: Option<&str>) -> bool {
        match (&self.made, id) {
            (Some(made), Some(id)) => made == id,
            _ => fs::metadata(path).and_then(|path| path.created()).is_ok_and(|made| self.lived_at(made)),
        }
    }

    /// The ID of the container that it made, as far as it noted.
    pub(crate) fn container(&self) -> Option<&str> {
        self.made.as_deref().or(self.begun.id.as_deref())
    }

    /// Whether this run, or its podman, was at work at `time`.
    pub(crate) fn lived_at(&self, time: SystemTime) -> bool {
        let lived = || -> io::Result<_> {
            let metadata = self.file.metadata()?;
            Ok(metadata.created()?..=metadata.modified()? + GRACE)
        };
        lived().is_ok_and(|lived| lived.contains(&time))
    }

    /// Nothing is left to be put right.
    pub(crate) fn end(self) {
        // Another run would find that nothing is half-made any more.
        let _ = fs::remove_file(&self.path);
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("a journal is JSON");
    line.push(b'\n');
    line
}

/// Journals whose runs are dead. Call it with all sessions locked.
pub(crate) fn dead(graph_root: &Path) -> Vec<Journal> {
    let entries = fs::read_dir(graph_root).into_iter().flatten().flatten();
    let is_journal = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let paths = entries.filter(|entry| is_journal(&entry.file_name())).map(|entry| entry.path());
    paths.filter_map(|path| open_dead(path).ok().flatten()).collect()
}

fn open_dead(path: PathBuf) -> io::Result<Option<Journal>> {
    let mut file = File::options().read(true).write(true).open(&path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let mut lines = text.lines();
    let Some(begun) = lines.next().and_then(|line| serde_json::from_str(line).ok()) else {
        // Its run died before it had written it, and so before it began.
        fs::remove_file(path)?;
        return Ok(None);
    };
    let made = lines.next().and_then(|line| serde_json::from_str(line).ok()).map(|Made { made }| made);
    Ok(Some(Journal { file, path, begun, made }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Begun {
        let (name, session) = ("web".to_owned(), PathBuf::from("/run/ckpt/abc"));
        Begun { name, id: None, volumes: vec!["data".to_owned()], networks: Vec::new(), session }
    }

    /// A journal as a run leaves it that wrote `lines`.
    fn left(lines: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}x.json"));
        fs::write(&path, lines).unwrap();
        (folder, path)
    }

    #[test]
    fn a_dead_runs_journal_tells_what_it_was_to_make() {
        let made = line(&Made { made: "0123".to_owned() });
        let (folder, path) = left(&[line(&begun()), made].concat());
        let journals = dead(folder.path());
        assert_eq!(journals.len(), 1);
        assert_eq!(journals[0].begun, begun());
        assert!(journals[0].is_maker_of(Path::new("/nonexistent"), Some("0123")));
        assert!(!journals[0].is_maker_of(Path::new("/nonexistent"), Some("4567")));
        journals.into_iter().for_each(Journal::end);
        assert!(!path.exists());
    }

    #[test]
    fn a_living_runs_journal_is_left_to_it() {
        let (folder, path) = left(&line(&begun()));
        let run = File::open(&path).unwrap();
        flock(&run, FlockOperation::LockExclusive).unwrap();
        assert!(dead(folder.path()).is_empty());
        assert!(path.exists());
        drop(run);
        assert_eq!(dead(folder.path()).len(), 1);
    }

    #[test]
    fn a_journal_that_was_not_written_to_its_end_goes() {
        let (folder, path) = left(br#"{"name":"we"#);
        assert!(dead(folder.path()).is_empty());
        assert!(!path.exists());
    }

    #[test]
    fn journals_without_networks_are_of_older_versions() {
        let line = br#"{"name":"web","id":null,"volumes":["data"],"session":"/run/ckpt/abc"}"#;
        let (folder, _) = left(line);
        assert_eq!(dead(folder.path())[0].begun, begun());
    }

    #[test]
    fn without_an_id_the_time_tells() {
        let (folder, _) = left(&line(&begun()));
        let volume = folder.path().join("volume");
        fs::create_dir(&volume).unwrap();
        let journals = dead(folder.path());
        assert!(journals[0].is_maker_of(&volume, None));
        assert!(!journals[0].is_maker_of(Path::new("/proc"), None), "of another time, or of none");
        let now = SystemTime::now();
        assert!(!journals[0].lived_at(now - Duration::from_secs(60)));
        assert!(!journals[0].lived_at(now + GRACE + Duration::from_secs(60)));
    }
}
