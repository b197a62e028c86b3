//! Random trees, written by us and read by other tools, and the other way round: the same tree, and not a word.

mod forest;
mod peers;
mod random;
mod shape;
#[path = "../tree/mod.rs"]
mod tree;

use std::fs::{self, File};
use std::path::Path;

use aligntar::ClonePolicy;
use peers::{COMMON_READERS, COMMON_WRITERS, OTHER_READERS, OTHER_WRITERS, Peer, SPARSE_WRITERS};
use shape::Shape;
use tempfile::TempDir;

/// A folder with `source`, a random tree, and the empty `target`.
fn planted(below: &Path, shape: &Shape, seed: u64) -> TempDir {
    let folder = tempfile::tempdir_in(below).unwrap();
    for name in ["source", "target"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    forest::plant(&folder.path().join("source"), shape, seed);
    folder
}

fn reads_ours(peer: &Peer, below: &Path, shape: &Shape, seed: u64) {
    let folder = planted(below, shape, seed);
    let path = |name: &str| folder.path().join(name);
    tree::pack(&path("source"), &File::create(path("x.tar")).unwrap(), ClonePolicy::IfPossible);
    let what = format!("tree {seed} read by {}", peer.name);
    peer.run_silently(folder.path(), &what);
    assert_alike(peer, folder.path(), &what);
}

fn we_read(peer: &Peer, below: &Path, shape: &Shape, seed: u64) {
    let folder = planted(below, shape, seed);
    let path = |name: &str| folder.path().join(name);
    let what = format!("tree {seed} written by {}", peer.name);
    peer.run_silently(folder.path(), &what);
    println!("{what}");
    tree::unpack(&File::open(path("x.tar")).unwrap(), &path("target"), ClonePolicy::IfPossible);
    assert_alike(peer, folder.path(), &what);
}

fn assert_alike(peer: &Peer, folder: &Path, what: &str) {
    let [source, target] = ["source", "target"].map(|name| peer.loss.strip(tree::facts_below(&folder.join(name))));
    let paths = |tree: &std::collections::BTreeMap<_, _>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&source), paths(&target), "{what}");
    for (path, facts) in &source {
        assert_eq!(*facts, target[path], "{what}: {path:?}");
    }
}

/// Without root: no devices, and everything belongs to whoever runs this.
fn unprivileged(peer: &Peer, test: fn(&Peer, &Path, &Shape, u64), trees: u64) {
    let shape = (peer.shape)().unprivileged();
    (0..trees).for_each(|seed| test(peer, Path::new(env!("CARGO_TARGET_TMPDIR")), &shape, seed));
}

/// As root, with all that a tree can have.
fn privileged(peers: &[Peer], test: fn(&Peer, &Path, &Shape, u64), trees: u64) {
    for peer in peers {
        (1000..1000 + trees).for_each(|seed| test(peer, Path::new("/mnt/btrfs"), &(peer.shape)(), seed));
    }
}

#[test]
fn gnu_tar_and_python_read_random_trees_of_ours() {
    COMMON_READERS.iter().for_each(|peer| unprivileged(peer, reads_ours, 10));
}

#[test]
fn random_trees_of_gnu_tar_and_python_are_read() {
    COMMON_WRITERS.iter().for_each(|peer| unprivileged(peer, we_read, 6));
}

#[test]
fn random_sparse_archives_of_gnu_tar_are_read() {
    SPARSE_WRITERS.iter().for_each(|peer| unprivileged(peer, we_read, 6));
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_other_tools_read_random_trees_of_ours() {
    privileged(COMMON_READERS, reads_ours, 40);
    privileged(OTHER_READERS, reads_ours, 40);
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_random_trees_of_other_tools_are_read() {
    for peers in [COMMON_WRITERS, SPARSE_WRITERS, OTHER_WRITERS] {
        privileged(peers, we_read, 20);
    }
}
