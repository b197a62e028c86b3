//! The archives of a container, in their order, and how one of them is found.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::index::{Identity, Index};
use super::lock::Reading;
use super::saved::Saved;
use super::spec::Which;
use crate::archive::ArchiveError;
use crate::host::byte_path::BytePath;

/// How names of archives end.
const ENDING: &str = "tar";

/// The archives of a container.
#[derive(Debug)]
pub struct History {
    container: String,
    folder: PathBuf,
    /// The oldest first.
    saves: Vec<Saved>,
    problems: Vec<Problem>,
}

/// A file among the archives that is none of this history.
#[derive(Debug)]
pub struct Problem {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub source: ProblemError,
}

/// Why a file is no archive of the history.
#[derive(Debug, thiserror::Error)]
pub enum ProblemError {
    /// It cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It was put there by hand, and would bring back another container.
    #[error("it is an archive of {container:?}")]
    Another {
        /// Whose it is.
        container: String,
    },
}

/// An archive that was looked at.
struct Looked {
    identity: Identity,
    saved: Saved,
}

/// Reads the archives in `folder`, those of the container called `name`; the index is made anew if it did not know them
/// all.
pub(super) fn read(folder: &Path, name: &str) -> Result<History, StoreError> {
    let mut known = Index::read(folder).into_known();
    let (known_before, mut was_read) = (known.len(), false);
    let (mut looked, mut problems) = (Vec::new(), Vec::new());
    let failed = |source| StoreError::io("read", folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = PathBuf::from(entry.file_name());
        // `metadata` of an entry does not follow links.
        let Some(metadata) = entry.metadata().ok().filter(|metadata| metadata.is_file() && is_archive(&name)) else {
            continue;
        };
        let identity = Identity::of(&metadata);
        let saved = match known.remove(&name) {
            Some((known, saved)) if known == identity => Ok(Some(saved)),
            _ => {
                was_read = true;
                look(&entry.path(), &name)
            }
        };
        match saved {
            Ok(Some(saved)) => looked.push(Looked { identity, saved }),
            Ok(None) => {}
            Err(source) => problems.push(Problem { path: entry.path(), source: source.into() }),
        }
    }
    if was_read || known_before != looked.len() {
        // It is made again by the next one, if it cannot be now.
        let _ = Index::write(folder, looked.iter().map(|looked| (looked.identity, &looked.saved)));
    }
    let (ours, others): (Vec<_>, Vec<_>) =
        looked.into_iter().map(|looked| looked.saved).partition(|saved| saved.container == name);
    problems.extend(others.into_iter().map(|saved| Problem {
        path: folder.join(&saved.file.0),
        source: ProblemError::Another { container: saved.container },
    }));
    Ok(History { container: name.to_owned(), folder: folder.to_owned(), saves: in_order(ours), problems })
}

fn is_archive(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ending == ENDING) && !name.as_os_str().as_encoded_bytes().starts_with(b".")
}

/// `None` if it was removed meanwhile.
fn look(path: &Path, name: &Path) -> Result<Option<Saved>, ArchiveError> {
    let io_error = |source| ArchiveError::Io { call: "open", path: path.to_owned(), source };
    match Reading::begin(path) {
        Ok(reading) => {
            let file = reading.file().try_clone().map_err(io_error)?;
            Saved::read(file, name, path).map(Some)
        }
        Err(StoreError::Gone { .. }) => Ok(None),
        Err(error) => Err(io_error(io::Error::other(error))),
    }
}

/// By their numbers; those without one where their time is.
fn in_order(saves: Vec<Saved>) -> Vec<Saved> {
    let (mut numbered, mut others): (Vec<_>, Vec<_>) = saves.into_iter().partition(|saved| saved.sequence.is_some());
    numbered.sort_by(|one, other| {
        (one.sequence, one.created, &one.file).cmp(&(other.sequence, other.created, &other.file))
    });
    others.sort_by(|one, other| (one.created, &one.file).cmp(&(other.created, &other.file)));
    for saved in others {
        let at = numbered.iter().position(|after| after.created > saved.created).unwrap_or(numbered.len());
        numbered.insert(at, saved);
    }
    numbered
}

impl History {
    pub(super) fn empty(folder: &Path, name: &str) -> Self {
        History { container: name.to_owned(), folder: folder.to_owned(), saves: Vec::new(), problems: Vec::new() }
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The oldest first.
    pub fn saves(&self) -> &[Saved] {
        &self.saves
    }

    /// What lies among the archives and is none of them.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The same, with nothing else of the history.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Where the archive of `saved` is.
    pub fn path_of(&self, saved: &Saved) -> PathBuf {
        self.folder.join(&saved.file.0)
    }

    /// How far back each save is: 1 for the newest; none for those that cannot be restored alone.
    pub fn places(&self) -> Vec<Option<u32>> {
        let mut back = 0;
        let mut places: Vec<_> = self
            .saves
            .iter()
            .rev()
            .map(|saved| {
                back += u32::from(saved.is_whole());
                saved.is_whole().then_some(back)
            })
            .collect();
        places.reverse();
        places
    }

    /// The number of the next save.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.saves.iter().filter_map(|saved| saved.sequence).max().unwrap_or(0).saturating_add(1)
    }

    /// The save that `spec` names.
    ///
    /// # Errors
    /// [`StoreError`], if it is none or more than one.
    pub fn find(&self, which: &Which) -> Result<&Saved, StoreError> {
        if self.saves.is_empty() {
            let store = self.folder.parent().unwrap_or(&self.folder).to_owned();
            return Err(StoreError::NoSaves { container: self.container.clone(), store });
        }
        match which {
            Which::Back(back) => self.back(*back),
            Which::Word(word) => self.word(word),
        }
    }

    fn back(&self, back: u32) -> Result<&Saved, StoreError> {
        let container = self.container.clone();
        let Some(before) = back.checked_sub(1) else { return Err(StoreError::Present { container }) };
        let whole = || self.saves.iter().rev().filter(|saved| saved.is_whole());
        let found = whole().nth(before as usize);
        found.ok_or_else(|| StoreError::TooFar { container, back, count: whole().count() })
    }

    /// A whole tag, of which the newest save counts, or the beginning of an ID.
    fn word(&self, word: &str) -> Result<&Saved, StoreError> {
        let tagged = self.saves.iter().rev().find(|saved| saved.tags.iter().any(|tag| tag == word));
        let by_id = self.saves.iter().filter(|saved| saved.id.starts_with(&word.to_ascii_lowercase()));
        let mut candidates: Vec<&Saved> = tagged.into_iter().collect();
        for saved in by_id {
            if !candidates.iter().any(|candidate| candidate.file == saved.file) {
                candidates.push(saved);
            }
        }
        let (container, word) = (self.container.clone(), word.to_owned());
        match candidates[..] {
            [saved] => Ok(saved),
            [] => Err(StoreError::Unknown { container, word }),
            _ => {
                let candidates = candidates.iter().map(|saved| name_of(saved)).collect();
                Err(StoreError::Ambiguous { container, word, candidates })
            }
        }
    }
}

/// Two copies of an archive have one ID.
fn name_of(saved: &Saved) -> String {
    let BytePath(file) = &saved.file;
    format!("{} ({})", saved.id, file.display())
}

#[cfg(test)]
mod tests;
