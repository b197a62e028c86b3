//! The files that a command line names: this program opens them, or a client of `ckpt serve` has lent them.

#[cfg(feature = "serve")]
mod lent;

use std::path::Path;

use anyhow::Result;
use ckpt_core::checkpoint::Export;
#[cfg(feature = "serve")]
pub(crate) use lent::Lent;

use crate::archive::saved::Archive;
use crate::arguments::StoreArgument;

/// Whose they are.
pub(crate) enum Files {
    /// Of whoever runs this program.
    Own,
    /// Of a client. Its paths are mere names.
    #[cfg(feature = "serve")]
    Lent(Lent),
}

impl Files {
    /// Where the archive goes that is to be called `path`, unless it is one of several.
    pub(crate) fn export(&self, path: &Path) -> Result<Export> {
        match self {
            Files::Own if path == Path::new("-") => Ok(Export::Stdout),
            Files::Own => Ok(path.into()),
            #[cfg(feature = "serve")]
            Files::Lent(lent) => lent.export(path),
        }
    }

    /// The archive that `word` means: a file, or a save.
    pub(crate) fn archive(&self, word: &Path, store: &StoreArgument) -> Result<Archive> {
        match self {
            Files::Own => Archive::find(word, store),
            #[cfg(feature = "serve")]
            Files::Lent(lent) => lent.archive(word, store),
        }
    }

    /// The save that `word` means; `None` if it means none.
    pub(crate) fn save_optional(&self, word: &Path, store: &StoreArgument) -> Result<Option<Archive>> {
        match self {
            Files::Own => Archive::find_saved_optional(word, store),
            #[cfg(feature = "serve")]
            Files::Lent(_) => Archive::saved_optional(word, store),
        }
    }

    /// Whose archives are trusted besides root's, if that is not who runs this program.
    pub(crate) fn caller(&self) -> Option<u32> {
        match self {
            Files::Own => None,
            #[cfg(feature = "serve")]
            Files::Lent(lent) => Some(lent.caller()),
        }
    }

    /// Whether `word` can mean a file: one is there, or was lent.
    pub(crate) fn has(&self, word: &Path) -> bool {
        match self {
            Files::Own => word.exists(),
            #[cfg(feature = "serve")]
            Files::Lent(lent) => lent.has_more(),
        }
    }

    /// Whether they were lent.
    pub(crate) fn are_lent(&self) -> bool {
        !matches!(self, Files::Own)
    }
}
