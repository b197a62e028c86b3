//! Archives of a history, by what they are called there: `web~2`, `web@ID`, `web@TAG`.

#[cfg(feature = "serve")]
use std::fs::File;
use std::path::{Path, PathBuf};
#[cfg(feature = "serve")]
use std::sync::Arc;

use anyhow::Result;
use ckpt_core::restore::Import;
use ckpt_core::store::{Reading, SaveSpec, Store};

use crate::arguments::StoreArgument;

/// An archive to read. One of a history is not removed meanwhile.
pub(crate) struct Archive {
    path: PathBuf,
    held: Held,
}

enum Held {
    Not,
    Saved(Reading),
    #[cfg(feature = "serve")]
    Lent(Arc<File>),
}

impl Archive {
    /// What `word` means. A file of that name is meant before a save; `./web~2` is never one.
    pub(crate) fn find(word: &Path, store: &StoreArgument) -> Result<Self> {
        match Archive::find_saved_optional(word, store)? {
            Some(saved) => Ok(saved),
            None => Ok(Archive { path: word.to_owned(), held: Held::Not }),
        }
    }

    /// The save that `word` means; `None` if it means none.
    pub(crate) fn find_saved_optional(word: &Path, store: &StoreArgument) -> Result<Option<Self>> {
        if word.exists() { Ok(None) } else { Archive::saved_optional(word, store) }
    }

    /// The same, whatever files there are.
    pub(crate) fn saved_optional(word: &Path, store: &StoreArgument) -> Result<Option<Self>> {
        let Some(spec) = spec(word) else { return Ok(None) };
        let (_, reading) = Store::find(store.folder())?.open(&spec)?;
        Ok(Some(Archive { path: reading.path().to_owned(), held: Held::Saved(reading) }))
    }

    /// An open file of somebody else's, which messages call `name`.
    #[cfg(feature = "serve")]
    pub(crate) fn lent(file: File, name: &Path) -> Self {
        Archive { path: name.to_owned(), held: Held::Lent(file.into()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same to be restored.
    pub(crate) fn import(self) -> Import {
        match self.held {
            Held::Saved(reading) => {
                Import::Opened { file: reading.into_file().into(), name: self.path, has_path: true }
            }
            #[cfg(feature = "serve")]
            Held::Lent(file) => Import::Opened { file, name: self.path, has_path: false },
            Held::Not => Import::File(self.path),
        }
    }
}

/// Whether `word` means a save: no file has that name.
#[cfg(feature = "serve")]
pub(crate) fn is_saved(word: &Path) -> bool {
    !word.exists() && names_save(word)
}

/// Whether `word` could mean one.
pub(crate) fn names_save(word: &Path) -> bool {
    spec(word).is_some()
}

fn spec(word: &Path) -> Option<SaveSpec> {
    word.to_str().and_then(SaveSpec::parse_optional)
}
