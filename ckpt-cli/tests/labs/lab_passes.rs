//! Where nothing can be cloned, files are copied before the freeze, and what comes back is of the frozen moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::lab::*;

/// Headers and small files are copied at any rate.
const LITTLE: u64 = 1_000_000;

/// Counts in memory and in a file, which must agree.
const COUNT_IN_FILE: &str = "
i=0
while :; do i=$((i+1)); echo $i >> /srv/count; echo $i; sleep 0.02; done";

/// Changes that no clone helps with, in the root filesystem, a volume and /dev/shm.
const CHANGE: &str = "
    for place in /srv /data /dev/shm; do
        head -c 10000000 /dev/urandom > $place/large; head -c 100000 /dev/urandom > $place/middle
        mkdir $place/folder; ln $place/large $place/folder/link; truncate -s 50000000 $place/sparse
        echo middle | dd of=$place/sparse bs=1 seek=20000000 conv=notrunc
    done
    rm /etc/passwd; rm -r /srv/tree/folder1; rm -r /srv/tree/folder2; mkdir /srv/tree/folder2; echo new > /srv/tree/folder2/new
    touch -d '2001-02-03 04:05:06' /srv/large";

fn numbers_in_file(container: &Container) -> Vec<u64> {
    container.exec("cat /srv/count").lines().map(|line| line.parse().unwrap()).collect()
}

/// The clone counts on.
fn tree_without_count(container: &Container) -> BTreeMap<PathBuf, String> {
    let mut tree = container.tree();
    tree.retain(|path, _| path != Path::new("srv/count"));
    tree
}

fn wait_for_numbers_in_file(container: &Container, count: usize) {
    wait_for("numbers", || (numbers_in_file(container).len() >= count).then_some(()));
}

/// Checkpoints the container; gives the statistics and what was said.
fn checkpoint(container: &Container, archive: &Path, options: &[&str]) -> (serde_json::Value, String) {
    let arguments = ["checkpoint", &container.name, "-e", text(archive), "--print-stats"];
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &[&arguments[..], options].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    ckpt(&["verify", text(archive)]);
    let statistics: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    (statistics["container_statistics"][0]["ckpt"].clone(), said)
}

fn only_what_changed_is_copied_in_the_freeze(leave_running: bool, options: &[&str], archives: &Path) {
    let archive = archives.join("x.tar");
    let volume = Volume::named("passes-volume");
    let original = Container::run("passes", &["-v", "passes-volume:/data"], COUNT_IN_FILE);
    original.exec(CHANGE);
    let running: &[&str] = if leave_running { &["--leave-running"] } else { &[] };
    let (statistics, said) = checkpoint(&original, &archive, &[running, options].concat());
    let copied_in_freeze = statistics["capture_copied_bytes"].as_u64().unwrap();
    let copied = statistics["copied_bytes"].as_u64().unwrap();
    let in_passes = options.is_empty();
    assert!((copied_in_freeze < LITTLE) == in_passes, "{statistics}");
    assert!((30_000_000..40_000_000).contains(&copied), "{statistics}");
    assert_eq!(said.contains("MB were copied beforehand"), in_passes, "{said}");
    assert_eq!(original.is_running(), leave_running);
    if leave_running {
        podman(&["stop", "-t0", "passes"]);
    }
    let (tree, files) = (tree_without_count(&original), volume.tree());
    original.remove();
    volume.remove();
    let clone = Container::named("passes-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "passes-clone"]);
    assert_same_tree(&files, &volume.tree());
    if !leave_running {
        assert_same_tree(&tree, &tree_without_count(&clone));
    }
    let shown = "cd /dev/shm; md5sum large folder/link; stat -c %h large; wc -c < sparse; dd if=sparse bs=1 skip=20000000 count=6";
    let shown = clone.exec(shown);
    assert!(shown.contains("\n2\n50000000\nmiddle"), "{shown}");
    let count = numbers_in_file(&clone).len();
    wait_for_numbers_in_file(&clone, count + 3);
    assert_consecutive(&numbers_in_file(&clone));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_only_what_changed_is_copied_in_the_freeze() {
    let folder = folder();
    only_what_changed_is_copied_in_the_freeze(false, &[], folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_so_it_is_with_a_container_that_is_left_running() {
    let folder = folder();
    only_what_changed_is_copied_in_the_freeze(true, &[], folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_without_passes_all_is_copied_in_the_freeze() {
    let folder = folder();
    only_what_changed_is_copied_in_the_freeze(false, &["--passes", "0"], folder.path());
}

/// There are no blocks that can be taken out of a file.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_an_archive_in_memory_is_made_in_passes_too() {
    let target = Mounted::tmpfs("size=200M");
    only_what_changed_is_copied_in_the_freeze(false, &[], target.path());
}

/// What the kernel tells of a file and when it was read can only fail now and then.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn long_ext4_memory_and_files_are_of_one_moment_each_time() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("counting", &[], COUNT_IN_FILE);
    container.exec("head -c 20000000 /dev/urandom > /srv/large");
    for _ in 0..50 {
        checkpoint(&container, &archive, &["-R"]);
        let clone = Container::named("counting-clone");
        ckpt(&["restore", "-i", text(&archive), "--name", "counting-clone"]);
        let count = numbers_in_file(&clone).len();
        wait_for_numbers_in_file(&clone, count + 2);
        assert_consecutive(&numbers_in_file(&clone));
    }
    assert_consecutive(&numbers_in_file(&container));
}
