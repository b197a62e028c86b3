//! Finds the journals of restores that were killed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::journal::{Journal, PREFIX, begun_in};
use crate::host::waiting::Waiting;
use crate::host::{processes, session};

/// The journals in `graph_root` whose runs are dead, until an interrupt is raised. Call it with all sessions locked.
pub(super) fn find(graph_root: &Path, waiting: &mut Waiting<'_>) -> Vec<Journal> {
    let entries = fs::read_dir(graph_root).into_iter().flatten().flatten();
    let is_journal = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    let paths = entries.filter(|entry| is_journal(&entry.file_name())).map(|entry| entry.path());
    paths.filter_map(|path| open(path, waiting).ok().flatten()).collect()
}

fn open(path: PathBuf, waiting: &mut Waiting<'_>) -> io::Result<Option<Journal>> {
    let mut file = File::options().read(true).append(true).open(&path)?;
    let lock = || flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let mut text = String::new();
    if !lock() {
        (&file).read_to_string(&mut text)?;
        // Its run may be dead all the same, and a podman that makes a volume for it about to say so.
        let Some(begun) = begun_in(&text).filter(|begun| session::is_over(&begun.session)) else { return Ok(None) };
        let told = || format!("podman makes a volume for a restore of {} that was killed", begun.name);
        if !processes::until(waiting, told, lock)? {
            return Ok(None);
        }
        file.rewind()?;
        text.clear();
    }
    file.read_to_string(&mut text)?;
    let Some(begun) = begun_in(&text) else {
        // Its run died before it had written it, and so before it began.
        fs::remove_file(path)?;
        return Ok(None);
    };
    Ok(Some(Journal::resume(file, path, begun, &text)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;
    use crate::progress::Silent;
    use crate::recovery::journal::Begun;

    fn begun() -> Begun {
        let (name, session) = ("web".to_owned(), PathBuf::from("/run/ckpt/sessions/abc"));
        Begun { name, id: Some("0123".to_owned()), volumes: vec!["data".to_owned()], session, ..Begun::default() }
    }

    fn line(begun: &Begun) -> Vec<u8> {
        [serde_json::to_vec(begun).unwrap(), b"\n".to_vec()].concat()
    }

    /// A journal as a run leaves it that wrote `lines`.
    fn left(lines: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{PREFIX}x.json"));
        fs::write(&path, lines).unwrap();
        (folder, path)
    }

    fn dead_in(folder: &Path) -> Vec<Journal> {
        find(folder, &mut Waiting::new(None, &mut Silent))
    }

    #[test]
    fn a_dead_runs_journal_tells_what_it_was_to_make() {
        let (folder, path) = left(&line(&begun()));
        let journals = dead_in(folder.path());
        assert_eq!(journals.len(), 1);
        assert_eq!(journals[0].begun, begun());
        journals.into_iter().for_each(Journal::end);
        assert!(!path.exists());
    }

    #[test]
    fn a_living_runs_journal_is_left_to_it() {
        let session = tempfile::tempdir().unwrap();
        let (folder, path) = left(&line(&Begun { session: session.path().to_owned(), ..begun() }));
        let lives = File::open(session.path()).unwrap();
        flock(&lives, FlockOperation::LockExclusive).unwrap();
        let run = File::open(&path).unwrap();
        flock(&run, FlockOperation::LockExclusive).unwrap();
        assert!(dead_in(folder.path()).is_empty());
        assert!(path.exists());
        drop(run);
        assert_eq!(dead_in(folder.path()).len(), 1);
    }

    #[test]
    fn a_dead_runs_journal_waits_for_the_podman_that_makes_its_volume() {
        let (folder, path) = left(&line(&begun()));
        let podman = File::options().append(true).open(&path).unwrap();
        flock(&podman, FlockOperation::LockExclusive).unwrap();
        let journal = thread::scope(|scope| {
            let found = scope.spawn(|| dead_in(folder.path()).pop().unwrap());
            (&podman).write_all(b"data\n").unwrap();
            drop(podman);
            found.join().unwrap()
        });
        assert_eq!(journal.volumes, ["data"]);
    }

    #[test]
    fn a_journal_that_was_not_written_to_its_end_is_removed() {
        let (folder, path) = left(br#"{"name":"we"#);
        assert!(dead_in(folder.path()).is_empty());
        assert!(!path.exists());
    }
}
