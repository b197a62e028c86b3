//! The journal of a restore: what it is about to make, written down before podman is started. It lies in the storage's
//! folder, since a half-made container outlives a reboot as well.
//!
//! ```text
//! GRAPH_ROOT/ckpt-restore-XXXXXX.json     locked by flock(2) for as long as its run lives, or a podman that makes a volume
//!   {"name":"web","id":"0123…","has_new_id":true,"volumes":["data"],"networks":["podman"],"session":"/run/ckpt/sessions/abc"}
//!   data                                  podman's own word, once it has made this volume and none was there
//!   {"made":"0123…","layer":"4567…"}      the container, once podman has made it
//!   {"volume":"data","inode":7,"born":…}  the folder of the volume's data
//! ```
//!
//! These lines prove what this run made; times and names would not. podman never chooses an ID that is noted here, and
//! makes no volume that is there already.

mod records;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use layerfs::Container;

use rustix::fs::{FlockOperation, OFlags, Timespec, Timestamps, UTIME_NOW, fcntl_setfl, flock, futimens};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::host::session;
use crate::host::waiting::Waiting;
pub(crate) use records::Begun;
pub(super) use records::begun_in;
pub(in crate::recovery) use records::line;
use records::{Folder, Made};

/// How names of journals begin.
pub(super) const PREFIX: &str = "ckpt-restore-";

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

/// The journal of a restore under way, or of a dead one.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Locked.
    file: File,
    path: PathBuf,
    pub(crate) begun: Begun,
    made: Option<Made>,
    /// Volumes that podman said it made.
    pub(super) volumes: Vec<String>,
    folders: Vec<Folder>,
    /// Brings the first line to the disk.
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Journal {
    /// Writes down what is `begun` in the storage at `graph_root`. It is on its way to the disk then, see
    /// [`Journal::reach_disk`].
    pub(crate) fn begin(graph_root: &Path, begun: Begun, waiting: &mut Waiting<'_>) -> Result<Self, JournalError> {
        let error = |call| move |source| JournalError { call, folder: graph_root.to_owned(), source };
        // Until it is locked, it looks like a dead run's.
        let all = session::lock_all(waiting).map_err(|source| error("lock")(io::Error::other(source)))?;
        let mut named = tempfile::Builder::new();
        let named = named.prefix(PREFIX).suffix(".json").tempfile_in(graph_root).map_err(error("create"))?;
        flock(&named, FlockOperation::NonBlockingLockExclusive).map_err(|errno| error("lock")(errno.into()))?;
        drop(all);
        Self::write(named, begun).map_err(error("write"))
    }

    fn write(mut named: NamedTempFile, begun: Begun) -> io::Result<Self> {
        named.write_all(&line(&begun))?;
        // podman writes lines of its own.
        fcntl_setfl(&named, OFlags::APPEND)?;
        let (same, folder) = (named.as_file().try_clone()?, named.path().parent().map(File::open).transpose()?);
        let sync = move || same.sync_all().and_then(|()| folder.map_or(Ok(()), |folder| folder.sync_all()));
        let syncing = Some(thread::Builder::new().spawn(sync)?);
        let (file, path) = named.keep().map_err(|error| error.error)?;
        Ok(Journal { syncing, ..Journal::new(file, path, begun) })
    }

    /// Waits until what was begun is on the disk: before anything is made that outlives a crash of the machine. Disks
    /// take some 10 ms, in which podman can start.
    pub(crate) fn reach_disk(&mut self) -> Result<(), JournalError> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        let synced = syncing.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs has panicked")));
        synced.map_err(|source| self.error("sync", source))
    }

    fn new(file: File, path: PathBuf, begun: Begun) -> Self {
        Journal { file, path, begun, made: None, volumes: Vec::new(), folders: Vec::new(), syncing: None }
    }

    /// The journal in `file`, whose `text` says what was `begun` and what became of it.
    pub(super) fn resume(file: File, path: PathBuf, begun: Begun, text: &str) -> Self {
        let mut journal = Journal::new(file, path, begun);
        // A line that is no whole one says nothing.
        for line in text.lines().skip(1) {
            if let Ok(made) = serde_json::from_str(line) {
                journal.made = Some(made);
            } else if let Ok(folder) = serde_json::from_str(line) {
                journal.folders.push(folder);
            } else if journal.begun.volumes.iter().any(|volume| volume == line) {
                journal.volumes.push(line.to_owned());
            }
        }
        journal
    }

    /// Says that the run still lives, and has not seen what it makes.
    pub(crate) fn alive(&self) {
        if self.made.is_none() {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            // Without it, less is known to be ours: nothing of others is harmed.
            let _ = futimens(&self.file, &Timestamps { last_access: now, last_modification: now });
        }
    }

    /// Where podman, when it makes a volume, is to print its name.
    pub(crate) fn for_volumes(&self) -> Result<File, JournalError> {
        self.file.try_clone().map_err(|source| self.error("open", source))
    }

    /// Takes note that podman has made a volume, and has printed its name here.
    pub(crate) fn made_volume(&mut self, name: &str) {
        self.volumes.push(name.to_owned());
    }

    /// Notes the container that podman has made.
    pub(crate) fn made(&mut self, container: &Container) -> Result<(), JournalError> {
        let made = Made { id: container.id.clone(), layer: Some(container.layer.clone()) };
        self.append(&made)?;
        self.made = Some(made);
        if let Ok(file) = self.file.try_clone() {
            // Nothing waits for it: after a crash of the machine, the first line tells nearly as much.
            thread::spawn(move || file.sync_data());
        }
        Ok(())
    }

    /// Notes the folder of a volume's data before anything is in it.
    pub(crate) fn will_fill(&mut self, volume: &str, data: &Path) -> Result<(), JournalError> {
        let folder = Folder::of(volume, data).map_err(|source| self.error("note a volume's folder in", source))?;
        self.append(&folder)?;
        self.folders.push(folder);
        Ok(())
    }

    fn append(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        self.file.write_all(&line(value)).map_err(|source| self.error("write", source))
    }

    fn error(&self, call: &'static str, source: io::Error) -> JournalError {
        JournalError { call, folder: self.path.parent().unwrap_or(Path::new("/")).to_owned(), source }
    }

    /// Whether this run made the `container`, which has [`Journal::container`]'s ID, and its layer in the folder
    /// `layer`.
    ///
    /// One that gets an ID back from before could also be another restore's of the same archive, for as long as podman
    /// has not told whose it is: then only what began while this run lived is taken for its own.
    pub(crate) fn is_maker_of(&self, container: &Container, layer: &Path) -> bool {
        match &self.made {
            Some(made) => made.id == container.id && made.layer.as_ref().is_none_or(|layer| *layer == container.layer),
            None if self.begun.id.as_ref() != Some(&container.id) => false,
            None => self.begun.has_new_id || self.lived_when_born(layer),
        }
    }

    /// Whether this run made the volume `name`, whose data is in the folder `data`: it must be the folder that was
    /// noted, or empty as it was made.
    pub(crate) fn is_maker_of_volume(&self, name: &str, data: &Path) -> bool {
        let noted = self.folders.iter().find(|folder| folder.volume == name);
        self.volumes.iter().any(|volume| volume == name)
            && match noted {
                Some(noted) => Folder::of(name, data).is_ok_and(|folder| folder == *noted),
                None => fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_none()),
            }
    }

    /// Whether podman was about to make the volume `name`, and did not say that it has.
    pub(crate) fn was_making_volume(&self, name: &str) -> bool {
        self.begun.volumes.iter().any(|volume| volume == name) && !self.volumes.iter().any(|volume| volume == name)
    }

    /// The ID of the container that it makes.
    pub(crate) fn container(&self) -> Option<&str> {
        self.made.as_ref().map(|made| &made.id[..]).or(self.begun.id.as_deref())
    }

    /// Whether the file or folder at `path` was made while this run, or its podman, was at work.
    pub(crate) fn lived_when_born(&self, path: &Path) -> bool {
        fs::metadata(path).and_then(|path| path.created()).is_ok_and(|born| self.lived_at(born))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Begun {
        let (name, session) = ("web".to_owned(), PathBuf::from("/run/ckpt/sessions/abc"));
        Begun { name, id: Some("0123".to_owned()), volumes: vec!["data".to_owned()], session, ..Begun::default() }
    }

    /// The journal of a run that wrote `lines`.
    fn read(lines: &[&[u8]]) -> Journal {
        let (folder, text) = (tempfile::tempdir().unwrap(), lines.concat());
        let path = folder.path().join("x.json");
        fs::write(&path, &text).unwrap();
        opened(&path)
    }

    fn opened(path: &Path) -> Journal {
        let text = fs::read_to_string(path).unwrap();
        let file = File::options().read(true).append(true).open(path).unwrap();
        Journal::resume(file, path.to_owned(), begun_in(&text).unwrap(), &text)
    }

    fn container(id: &str, layer: &str) -> Container {
        let (id, layer) = (id.to_owned(), layer.to_owned());
        Container { id, layer, names: vec!["web".to_owned()], image: String::new(), ids: Default::default() }
    }

    const NOWHERE: &str = "/nonexistent";

    #[test]
    fn a_noted_container_is_known_by_id_and_layer() {
        let made = Made { id: "0123".to_owned(), layer: Some("aa".to_owned()) };
        let journal = read(&[&line(&begun()), &line(&made)]);
        for (id, layer, is_ours) in [("0123", "aa", true), ("0123", "bb", false), ("4567", "aa", false)] {
            assert_eq!(journal.is_maker_of(&container(id, layer), Path::new(NOWHERE)), is_ours, "{id} {layer}");
        }
        let older = read(&[&line(&begun()), b"{\"made\":\"0123\"}\n"]);
        assert!(older.is_maker_of(&container("0123", "bb"), Path::new(NOWHERE)));
    }

    #[test]
    fn an_id_that_was_made_up_is_proof_and_an_old_one_is_not() {
        let new = read(&[&line(&Begun { has_new_id: true, ..begun() })]);
        assert!(new.is_maker_of(&container("0123", "aa"), Path::new(NOWHERE)));
        assert!(!new.is_maker_of(&container("4567", "aa"), Path::new(NOWHERE)));
        let old = read(&[&line(&begun())]);
        let layer = tempfile::tempdir().unwrap();
        assert!(old.is_maker_of(&container("0123", "aa"), layer.path()), "born while it lived");
        assert!(!old.is_maker_of(&container("0123", "aa"), Path::new("/proc")), "of another time, or of none");
    }

    #[test]
    fn a_volume_is_ours_only_if_podman_said_that_it_made_it() {
        let data = tempfile::tempdir().unwrap();
        let silent = read(&[&line(&begun())]);
        assert!(!silent.is_maker_of_volume("data", data.path()), "somebody else's, however new");
        assert!(silent.was_making_volume("data"));
        let said = read(&[&line(&begun()), b"data\nother\n"]);
        assert!(said.is_maker_of_volume("data", data.path()) && !said.was_making_volume("data"));
        assert!(!said.is_maker_of_volume("other", data.path()), "never asked for");
        fs::write(data.path().join("precious"), "").unwrap();
        assert!(!said.is_maker_of_volume("data", data.path()), "nothing was put there");
    }

    #[test]
    fn a_volume_that_was_to_be_filled_is_known_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (path, data) = (folder.path().join("x.json"), folder.path().join("_data"));
        fs::write(&path, [&line(&begun())[..], b"data\n"].concat()).unwrap();
        fs::create_dir(&data).unwrap();
        opened(&path).will_fill("data", &data).unwrap();
        fs::write(data.join("half"), "").unwrap();
        assert!(opened(&path).is_maker_of_volume("data", &data));
        fs::remove_dir_all(&data).unwrap();
        fs::create_dir(&data).unwrap();
        assert!(!opened(&path).is_maker_of_volume("data", &data), "another of the same name");
    }

    #[test]
    fn journals_with_less_in_them_are_of_older_versions() {
        let old = br#"{"name":"web","id":null,"volumes":["data"],"session":"/run/ckpt/sessions/abc"}"#;
        assert_eq!(read(&[old]).begun, Begun { id: None, ..begun() });
    }

    #[test]
    fn a_run_lived_from_its_journals_making_to_its_last_change() {
        let journal = read(&[&line(&begun())]);
        let now = SystemTime::now();
        assert!(journal.lived_at(now));
        assert!(!journal.lived_at(now - Duration::from_secs(60)));
        assert!(!journal.lived_at(now + GRACE + Duration::from_secs(60)));
    }
}
