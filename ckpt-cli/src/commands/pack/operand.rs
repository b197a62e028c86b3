//! What is named on the command line, and its name in the archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use aligntar::{PackError, Packer, ShownName};
use anyhow::{Context, Result, bail, ensure};

use super::exclude::Excluded;

/// A path to pack, and its name in the archive.
pub(super) struct Operand {
    path: PathBuf,
    name: Vec<u8>,
    is_directory: bool,
}

impl Operand {
    /// All that is to be packed, relative to `directory`.
    pub(super) fn all(paths: &[PathBuf], directory: Option<&Path>, excluded: &Excluded<'_>) -> Result<Vec<Operand>> {
        let mut names = BTreeSet::new();
        let mut operands = Vec::new();
        for given in paths {
            let name = archived_name(given)?;
            ensure!(names.insert(name.clone()), "{} would be in the archive twice", ShownName::new(&name));
            // Links are packed as links, as tar does, also with a slash behind them: components have none.
            let path: PathBuf = directory.unwrap_or(Path::new("")).join(given).components().collect();
            let found = path.symlink_metadata().with_context(|| path.display().to_string())?;
            if !excluded.has_any_of(&name) {
                operands.push(Operand { path, name, is_directory: found.is_dir() });
            }
        }
        Ok(operands)
    }

    /// Appends it with all below it. The inner error is of a directory that must not be read: others may be.
    pub(super) fn append(&self, packer: &mut Packer<'_, '_>) -> Result<Result<()>, PackError> {
        if self.is_directory {
            return match open(&self.path) {
                Ok(root) => packer.pack_tree(&root, &self.name).map(Ok),
                Err(unreadable) => Ok(Err(unreadable)),
            };
        }
        let name = self.path.file_name().expect("all paths but those of directories end in a name");
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match open(parent) {
            Ok(parent) => packer.pack_one(&parent, name, self.name.clone()).map(|_| Ok(())),
            Err(unreadable) => Ok(Err(unreadable)),
        }
    }
}

fn open(directory: &Path) -> Result<File> {
    File::open(directory).with_context(|| format!("open {}", directory.display()))
}

/// The path without a root and without `.`: what leads upwards could not be unpacked.
fn archived_name(given: &Path) -> Result<Vec<u8>> {
    let mut name = PathBuf::new();
    for component in given.components() {
        match component {
            Component::Normal(part) => name.push(part),
            Component::ParentDir => bail!("{}: a path in an archive cannot have .. in it, use -C", given.display()),
            _ => {}
        }
    }
    let name = name.as_os_str().as_bytes().to_vec();
    Ok(if name.is_empty() { b".".to_vec() } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for (given, expected) in [("a/./b/", "a/b"), ("/etc", "etc"), (".", "."), ("./x", "x"), ("/", ".")] {
            assert_eq!(archived_name(Path::new(given)).unwrap(), expected.as_bytes(), "{given}");
        }
        assert!(archived_name(Path::new("../x")).is_err());
    }
}
