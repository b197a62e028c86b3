//! The note of a rollback under way: which container it replaces, and which saves would bring that back. It lies in the
//! storage's folder, as the journal of a restore does, wherever the store is.
//!
//! ```text
//! GRAPH_ROOT/ckpt-rollback-XXXXXX.json     locked by flock(2) for as long as its run lives
//!   {"name":"web","target":"1f2e…","store":null}
//!   {"before":"99aa…"}                     once its present state is saved
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, fcntl_setfl, flock};
use serde::{Deserialize, Serialize};

use super::journal::line;
use crate::engine::{Engine, EngineError};
use crate::host::byte_path::BytePath;
use crate::host::lock_holder;
use crate::host::processes::Stat;
use crate::host::session;
use crate::host::waiting::Waiting;

const PREFIX: &str = "ckpt-rollback-";

/// It could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{call} the note of a rollback in {}", folder.display())]
pub struct NoteError {
    call: &'static str,
    folder: PathBuf,
    #[source]
    source: io::Error,
}

/// What is about to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replaced {
    /// The container's name.
    pub(crate) name: String,
    /// ID of the save that it is to become.
    pub(crate) target: String,
    /// The store, if that is not the usual one.
    pub(crate) store: Option<BytePath>,
    /// Whether it did not run before: found like that, it is not missing.
    #[serde(default)]
    pub(crate) may_stand: bool,
    /// Whether it will not run afterwards.
    #[serde(default)]
    pub(crate) becomes_stopped: bool,
}

impl Replaced {
    /// Whether a container of this `state` is what it was, or what it was to become.
    fn is_done_in(&self, state: &State) -> bool {
        match state {
            State::Runs => true,
            State::Stopped => self.may_stand,
            State::NeverRan => self.may_stand || self.becomes_stopped,
            State::Gone => false,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct SavedBefore {
    before: String,
}

/// A note that is removed with this value, unless its run is killed.
#[derive(Debug)]
pub(crate) struct Note {
    file: File,
    path: PathBuf,
}

impl Note {
    /// Writes down what is about to be `replaced`, on to the disk.
    pub(crate) fn begin(graph_root: &Path, replaced: &Replaced, waiting: &mut Waiting<'_>) -> Result<Self, NoteError> {
        let error = |call| move |source| NoteError { call, folder: graph_root.to_owned(), source };
        // Until it is locked, it looks like a dead run's.
        let all = session::lock_all(waiting).map_err(|source| error("lock")(io::Error::other(source)))?;
        let mut named = tempfile::Builder::new();
        let named = named.prefix(PREFIX).suffix(".json").tempfile_in(graph_root).map_err(error("create"))?;
        flock(&named, FlockOperation::NonBlockingLockExclusive).map_err(|errno| error("lock")(errno.into()))?;
        drop(all);
        fcntl_setfl(&named, OFlags::APPEND).map_err(|errno| error("open")(errno.into()))?;
        let (file, path) = named.keep().map_err(|source| error("keep")(source.error))?;
        let note = Note { file, path };
        note.append(&line(replaced)).map_err(error("write"))?;
        File::open(graph_root).and_then(|folder| folder.sync_all()).map_err(error("sync"))?;
        Ok(note)
    }

    /// Adds the ID of the save of the state that is about to be lost.
    pub(crate) fn saved_before(&self, id: &str) -> Result<(), NoteError> {
        let folder = || self.path.parent().unwrap_or(&self.path).to_owned();
        let appended = self.append(&line(&SavedBefore { before: id.to_owned() }));
        appended.map_err(|source| NoteError { call: "write", folder: folder(), source })
    }

    /// Leaves it for the next run to tell.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        (&self.file).write_all(line)?;
        self.file.sync_all()
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Left behind, it is removed by the next run, if the container runs.
        let _ = fs::remove_file(&self.path);
    }
}

/// What a note says.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    replaced: Replaced,
    before: Option<String>,
}

impl Told {
    /// `None` if its run died before it had written it, and so before it began.
    fn of(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let replaced = serde_json::from_str(lines.next()?).ok()?;
        let before = lines.find_map(|line| serde_json::from_str(line).ok());
        Some(Told { replaced, before: before.map(|SavedBefore { before }| before) })
    }
}

/// Tells of rollbacks that were killed before the container ran again. Call it with all sessions locked, once what a
/// killed restore left is removed.
pub(super) fn tell(engine: &dyn Engine, graph_root: &Path, waiting: &mut Waiting<'_>) -> Result<(), EngineError> {
    let entries = fs::read_dir(graph_root).into_iter().flatten().flatten();
    let is_note = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for entry in entries.filter(|entry| is_note(&entry.file_name())) {
        let Some((_locked, told)) = dead(&entry.path()) else { continue };
        let left = match &told {
            Some(told) => state(engine, &told.replaced.name)?,
            None => State::Runs,
        };
        match (told, left) {
            // Nothing is missing, or nothing was touched.
            (None, _) => drop(fs::remove_file(entry.path())),
            (Some(told), state) if told.replaced.is_done_in(&state) => drop(fs::remove_file(entry.path())),
            (Some(told), state) => waiting.warning(&warning(&told, &state, &entry.path())),
        }
    }
    Ok(())
}

/// The note at `path`, locked, if its run is dead.
fn dead(path: &Path) -> Option<(File, Option<Told>)> {
    let mut file = File::open(path).ok()?;
    if !lock_holder::is_gone(&file) {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    Some((file, Told::of(&text)))
}

enum State {
    Runs,
    Stopped,
    /// It was made, and not started.
    NeverRan,
    Gone,
}

/// podman takes a container for a running one until conmon has told it of the end, which may be after CRIU's own.
fn state(engine: &dyn Engine, name: &str) -> Result<State, EngineError> {
    let lives = |pid: u32| Stat::of(pid.cast_signed()).is_some_and(|stat| !stat.is_dead);
    match engine.inspect(name) {
        Ok(facts) if matches!(&facts.state.status[..], "running" | "paused") && lives(facts.state.pid) => {
            Ok(State::Runs)
        }
        Ok(facts) if facts.state.is_half_made() => Ok(State::NeverRan),
        Ok(_) => Ok(State::Stopped),
        Err(EngineError::UnknownContainer { .. }) => Ok(State::Gone),
        Err(error) => Err(error),
    }
}

fn warning(
    Told { replaced: Replaced { name, target, store, .. }, before }: &Told,
    state: &State,
    note: &Path,
) -> String {
    let store = store.as_ref().map(|BytePath(store)| format!(" --store {}", store.display())).unwrap_or_default();
    let rollback = |id: &str| format!("`ckpt rollback {name} {id}{store}`");
    let (was, in_place) = match state {
        State::Stopped => ("is stopped", format!("`podman container restore {name}` may bring it back in place, ")),
        _ => ("is gone", String::new()),
    };
    let last = before.as_ref().map(|id| format!("{} as it was last, ", rollback(id))).unwrap_or_default();
    format!(
        "a rollback of {name} was killed, and {name} {was}: {in_place}{last}{} as it was to become. If you do not want \
         it back, remove {}",
        rollback(target),
        note.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: Option<&str>) -> Told {
        let (name, target, store) = ("web".into(), "aa".into(), Some(BytePath("/s".into())));
        let replaced = Replaced { name, target, store, may_stand: false, becomes_stopped: false };
        Told { replaced, before: before.map(str::to_owned) }
    }

    #[test]
    fn a_note_is_read_up_to_where_it_was_written() {
        let whole = [line(&told(None).replaced), line(&SavedBefore { before: "bb".into() })].concat();
        let text = String::from_utf8(whole).unwrap();
        assert_eq!(Told::of(&text), Some(told(Some("bb"))));
        assert_eq!(Told::of(&text[..text.len() - 3]), Some(told(None)));
        assert_eq!(Told::of(&text[..10]), None);
        assert_eq!(Told::of(""), None);
    }

    #[test]
    fn a_container_that_stands_still_is_missing_only_where_it_should_run() {
        let replaced = |may_stand, becomes_stopped| Replaced { may_stand, becomes_stopped, ..told(None).replaced };
        for (replaced, stopped, never_ran) in [
            (replaced(false, false), false, false),
            (replaced(true, false), true, true),
            (replaced(false, true), false, true),
        ] {
            let found =
                [State::Runs, State::Stopped, State::NeverRan, State::Gone].map(|state| replaced.is_done_in(&state));
            assert_eq!(found, [true, stopped, never_ran, false], "{replaced:?}");
        }
    }

    #[test]
    fn a_warning_says_how_the_container_comes_back() {
        let note = Path::new("/g/ckpt-rollback-x.json");
        assert_eq!(
            warning(&told(Some("bb")), &State::Gone, note),
            "a rollback of web was killed, and web is gone: `ckpt rollback web bb --store /s` as it was last, `ckpt rollback \
             web aa --store /s` as it was to become. If you do not want it back, remove /g/ckpt-rollback-x.json"
        );
        assert!(
            warning(&told(None), &State::Stopped, note).contains("web is stopped: `podman container restore web` may")
        );
    }
}
