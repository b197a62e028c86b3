//! Archives of a history, by what they are called there: `web~2`, `web@ID`, `web@TAG`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ckpt_core::restore::Import;
use ckpt_core::store::{Reading, SaveSpec, Store};

use crate::arguments::StoreArgument;

/// An archive to read. One of a history is not removed meanwhile.
pub(crate) struct Archive {
    path: PathBuf,
    reading: Option<Reading>,
}

impl Archive {
    /// What `word` means. A file of that name is meant before a save; `./web~2` is never one.
    pub(crate) fn find(word: &Path, store: &StoreArgument) -> Result<Self> {
        match Archive::find_saved_optional(word, store)? {
            Some(saved) => Ok(saved),
            None => Ok(Archive { path: word.to_owned(), reading: None }),
        }
    }

    /// The save that `word` means; `None` if it means none.
    pub(crate) fn find_saved_optional(word: &Path, store: &StoreArgument) -> Result<Option<Self>> {
        let spec = word.to_str().filter(|_| !word.exists()).and_then(SaveSpec::parse_optional);
        let Some(spec) = spec else { return Ok(None) };
        let (_, reading) = Store::find(store.folder())?.open(&spec)?;
        Ok(Some(Archive { path: reading.path().to_owned(), reading: Some(reading) }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same to be restored.
    pub(crate) fn import(self) -> Import {
        match self.reading {
            Some(reading) => Import::Opened { file: reading.into_file().into(), name: self.path, has_path: true },
            None => Import::File(self.path),
        }
    }
}
