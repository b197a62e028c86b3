//! Descriptors of a client of `ckpt serve`, in the order in which its command line has use for them.

use std::cell::RefCell;
use std::fs::File;
use std::iter::Enumerate;
use std::path::Path;
use std::vec;

use anyhow::{Context, Result};
use ckpt_core::checkpoint::{Export, Loan};
use ckpt_core::lent::{Target, check_source, check_target};
use ckpt_serve::Client;

use crate::archive::saved::Archive;
use crate::arguments::StoreArgument;

pub(crate) struct Lent {
    descriptors: RefCell<Enumerate<vec::IntoIter<File>>>,
    client: Client,
    caller: u32,
}

impl Lent {
    pub(crate) fn new(descriptors: Vec<File>, client: Client, caller: u32) -> Self {
        Lent { descriptors: RefCell::new(descriptors.into_iter().enumerate()), client, caller }
    }

    pub(super) fn caller(&self) -> u32 {
        self.caller
    }

    /// Whether there are any that were not used yet.
    pub(super) fn has_more(&self) -> bool {
        self.descriptors.borrow().len() > 0
    }

    fn next(&self) -> Option<(usize, File)> {
        self.descriptors.borrow_mut().next()
    }

    /// The next file or pipe, for an archive that is called `path` in messages.
    pub(super) fn export(&self, path: &Path) -> Result<Export> {
        let shown = path.display();
        let lent = self.next();
        let (number, file) = lent.with_context(|| format!("no descriptor came for {shown}: {NO_PATHS}"))?;
        match check_target(&file).with_context(|| format!("write {shown}"))? {
            Target::Pipe => Ok(Export::Pipe(file.into())),
            Target::File => {
                let client = self.client.clone();
                Ok(Export::Lent(Loan::new(file, move |name| client.keep(number, name))))
            }
        }
    }

    /// The next file or pipe to be read, or else a save.
    pub(super) fn archive(&self, word: &Path, store: &StoreArgument) -> Result<Archive> {
        let shown = word.display();
        if let Some((_, file)) = self.next() {
            check_source(&file).with_context(|| format!("read {shown}"))?;
            return Ok(Archive::lent(file, word));
        }
        Archive::saved_optional(word, store)?.with_context(|| format!("no descriptor came for {shown}: {NO_PATHS}"))
    }
}

/// What a client is told that names a path and lends no descriptor.
const NO_PATHS: &str = "a service opens no paths of its clients";
