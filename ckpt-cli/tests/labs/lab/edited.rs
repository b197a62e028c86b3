//! Archives that say something else than podman wrote.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{succeed, text};

/// The archive beside `archive` in which `edit` changed config.dump and spec.dump.
pub(crate) fn edited(archive: &Path, edit: impl FnOnce(&mut Value, &mut Value)) -> PathBuf {
    let tree = tempfile::tempdir_in(archive.parent().unwrap()).unwrap();
    succeed("tar", &["-C", text(tree.path()), "-xf", text(archive)]);
    let read = |name: &str| serde_json::from_slice(&fs::read(tree.path().join(name)).unwrap()).unwrap();
    let (mut config, mut spec) = (read("config.dump"), read("spec.dump"));
    edit(&mut config, &mut spec);
    fs::write(tree.path().join("config.dump"), config.to_string()).unwrap();
    fs::write(tree.path().join("spec.dump"), spec.to_string()).unwrap();
    let edited = archive.with_file_name("edited.tar");
    succeed("tar", &["-C", text(tree.path()), "-cf", text(&edited), "."]);
    edited
}
