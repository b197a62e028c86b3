//! A store of saves for one test.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::lab::{ckpt, ckpt_fails, folder, run, text};

/// A store on the file system of the containers.
pub(crate) struct Saves {
    _folder: tempfile::TempDir,
    store: PathBuf,
}

impl Saves {
    pub(crate) fn new() -> Self {
        let folder = folder();
        let store = folder.path().join("saves");
        Saves { _folder: folder, store }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.store
    }

    /// Where the archives of a container are.
    pub(crate) fn of(&self, container: &str) -> PathBuf {
        self.store.join(container)
    }

    pub(crate) fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--store", text(&self.store)]].concat()
    }

    /// `ckpt` with this store, which must succeed.
    pub(crate) fn ckpt(&self, arguments: &[&str]) -> String {
        ckpt(&self.arguments(arguments))
    }

    /// What `ckpt`, which must fail, says.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        ckpt_fails(&self.arguments(arguments))
    }

    /// What `ckpt` says on standard error.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = run(env!("CARGO_BIN_EXE_ckpt"), &self.arguments(arguments));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Gives the ID of the new save.
    pub(crate) fn save(&self, container: &str, options: &[&str]) -> String {
        self.ckpt(&[&["save", container], options].concat())
    }

    /// What `ckpt history` says of a container, the oldest first.
    pub(crate) fn saves(&self, container: &str) -> Vec<Value> {
        serde_json::from_str(&self.ckpt(&["history", container, "--format", "json"])).unwrap()
    }
}
