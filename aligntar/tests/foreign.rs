//! Other tar tools read our archives silently and the same, and we read theirs.

mod tree;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use aligntar::ClonePolicy;
use tree::Facts;

struct Trees {
    folder: tempfile::TempDir,
}

impl Trees {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["source", "target"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        tree::make(&folder.path().join("source"));
        Trees { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pack(&self) {
        tree::pack(&self.path("source"), &File::create(self.path("x.tar")).unwrap(), ClonePolicy::IfPossible);
    }

    /// Runs a program in the folder; it must succeed and say nothing.
    fn run_silently(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).current_dir(self.folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{program} {arguments:?}: {}: {said}", output.status);
    }
}

/// Without what a reader cannot restore: xattrs, and times below the second.
fn coarse(root: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut tree = tree::facts_below(root);
    for facts in tree.values_mut() {
        facts.mtime.1 = 0;
        facts.xattrs.clear();
    }
    tree
}

#[test]
fn gnu_tar_reads_ours() {
    let trees = Trees::new();
    trees.pack();
    trees.run_silently("tar", &["--warning=no-timestamp", "--xattrs", "-xpf", "x.tar", "-C", "target"]);
    assert_eq!(tree::describe(&trees.path("source")), tree::describe(&trees.path("target")));
}

#[test]
fn pythons_tarfile_reads_ours() {
    let trees = Trees::new();
    trees.pack();
    let script = "import tarfile; tarfile.open('x.tar').extractall('target', numeric_owner=True)";
    trees.run_silently("python3", &["-W", "ignore", "-c", script]);
    let names = |root: &str| tree::describe(&trees.path(root)).into_keys().collect::<Vec<_>>();
    assert_eq!(names("source"), names("target"));
    let large = "a/b/large";
    assert_eq!(
        fs::read(trees.path("source").join(large)).unwrap(),
        fs::read(trees.path("target").join(large)).unwrap()
    );
}

#[test]
fn gnu_tars_formats_are_read() {
    for format in ["gnu", "pax"] {
        let trees = Trees::new();
        trees.run_silently("tar", &["--format", format, "--xattrs", "-cf", "x.tar", "-C", "source", "."]);
        let archive = File::open(trees.path("x.tar")).unwrap();
        tree::unpack(&archive, &trees.path("target"), ClonePolicy::IfPossible);
        let (source, target) = (trees.path("source"), trees.path("target"));
        match format {
            "pax" => assert_eq!(tree::describe(&source), tree::describe(&target)),
            _ => assert_eq!(coarse(&source), coarse(&target)),
        }
    }
}
