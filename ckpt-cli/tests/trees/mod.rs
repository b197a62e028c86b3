//! The same trees, packed by `ckpt` and by GNU tar. Each test file uses a part of this.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder to pack from.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    /// With `tree` in it, and links to it.
    pub(crate) fn new() -> Self {
        let folder = Folder(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        for name in ["a", "b", "sub/a", "sub/ab", "sub/sub/a.o", "a.o/x", "{a,b}", "odd[b"] {
            let path = folder.path("tree").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        symlink("tree", folder.path("link")).unwrap();
        symlink("nowhere", folder.path("dangling")).unwrap();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn run(&self, program: impl AsRef<Path>, words: &[&str]) -> Output {
        let mut command = Command::new(program.as_ref());
        command.args(words).current_dir(self.0.path()).stdin(Stdio::null()).env("LC_ALL", "C").output().unwrap()
    }

    pub(crate) fn ckpt(&self, words: &[&str]) -> Output {
        self.run(env!("CARGO_BIN_EXE_ckpt"), words)
    }

    /// The names in an archive, as `ckpt ls` has them: without `./` in front and `/` behind.
    pub(crate) fn names(&self, archive: &str) -> BTreeSet<String> {
        let listed = self.ckpt(&["ls", archive]);
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Packs `operands` with both programs; the exit statuses and the names must be the same.
    pub(crate) fn assert_same(&self, options: &[&str], operands: &[&str]) -> BTreeSet<String> {
        let ours = self.ckpt(&[&["pack", "-f", "ckpt.tar"], options, operands].concat());
        let theirs = self.run("tar", &[&["-cf", "tar.tar"], options, operands].concat());
        let said = [&ours, &theirs].map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        assert_eq!(ours.status.code(), theirs.status.code(), "{options:?} {operands:?}: {said:?}");
        let (ours, theirs) = (self.names("ckpt.tar"), self.names("tar.tar"));
        let plain = |name: &String| name.strip_prefix("./").unwrap_or(name).to_owned();
        assert_eq!(ours.iter().map(plain).collect::<BTreeSet<_>>(), theirs.iter().map(plain).collect(), "{options:?}");
        ours
    }
}
