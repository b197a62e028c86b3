//! While the container stands still, large data is cloned, never copied: wherever it lies, and wherever the archive goes.

use std::fs;
use std::path::Path;

use crate::lab::*;

/// Headers and small files are copied at any rate.
const LITTLE: u64 = 400_000;

/// `checkpoint --leave-running`; gives the statistics, all of them.
fn checkpoint(container: &Container, archive: &Path, options: &[&str]) -> serde_json::Value {
    let arguments = ["checkpoint", &container.name, "-e", text(archive), "--leave-running", "--print-stats"];
    serde_json::from_str(&ckpt(&[&arguments[..], options].concat())).unwrap()
}

fn number(statistics: &serde_json::Value, pointer: &str) -> u64 {
    statistics.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {statistics}"))
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn nothing_large_is_copied_while_the_container_stands() {
    let folder = folder();
    let _volume = Volume::named("standing-volume");
    let container = Container::run("standing", &["-v", "standing-volume:/data"], COUNT);
    container.exec("head -c 40000000 /dev/urandom > /srv/large; head -c 10000000 /dev/urandom > /data/large");
    let elsewhere = tempfile::tempdir_in("/mnt/ext4").unwrap();
    let outputs = [
        (folder.path().join("x.tar"), "none"),
        (folder.path().join("x.tar.zst"), "zstd"),
        (elsewhere.path().join("x.tar"), "none"),
        (elsewhere.path().join("x.tar.zst"), "zstd"),
    ];
    for (archive, compression) in outputs {
        let statistics = checkpoint(&container, &archive, &["--compress", compression]);
        assert!(
            number(&statistics, "/container_statistics/0/ckpt/capture_cloned_bytes") > 49_000_000,
            "{archive:?}: {statistics}"
        );
        assert!(
            number(&statistics, "/container_statistics/0/ckpt/capture_copied_bytes") < LITTLE,
            "{archive:?}: {statistics}"
        );
        // The freeze as CRIU measured it, in podman's part and in ours, and as it was seen from outside.
        let criu = number(&statistics, "/container_statistics/0/criu_statistics/frozen_time");
        assert_eq!(number(&statistics, "/container_statistics/0/ckpt/frozen_us"), criu);
        assert!(number(&statistics, "/container_statistics/0/ckpt/observed_frozen_us") > 0);
    }
}

/// A volume whose files lie in `folder`.
fn volume_in(folder: &Path, name: &str) -> Volume {
    let device = format!("device={}", folder.display());
    podman(&["volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", &device, name]);
    Volume::named(name)
}

const CHANGE: &str = "
    head -c 10000000 /dev/urandom > /data/large; echo small > /data/small; truncate -s 50000000 /data/sparse
    mkdir /data/folder; ln /data/small /data/folder/link; chown 1000 /data/folder";

/// Checkpoints a container with a volume in `place`, and restores it; gives the statistics and what was said.
fn volume_elsewhere(place: &str) -> (serde_json::Value, String) {
    let (folder, elsewhere) = (folder(), tempfile::tempdir_in(place).unwrap());
    let archive = folder.path().join("x.tar");
    let volume = volume_in(elsewhere.path(), "elsewhere-volume");
    let original = Container::run("elsewhere", &["-v", "elsewhere-volume:/data"], COUNT);
    original.exec(CHANGE);
    let arguments = ["checkpoint", "elsewhere", "-e", text(&archive), "--print-stats"];
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let files = describe_tree(elsewhere.path());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 4, "nothing was left beside the files");
    original.remove();
    volume.remove();
    let clone = Container::named("elsewhere-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "elsewhere-clone", "--reflink", "always"]);
    assert_same_tree(&files, &volume.tree());
    assert_consecutive(&clone.wait_for_numbers(3));
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn is_copied_when_the_container_runs_again(place: &str) {
    let (statistics, said) = volume_elsewhere(place);
    assert!(number(&statistics, "/container_statistics/0/ckpt/capture_copied_bytes") < LITTLE, "{statistics}");
    assert!(number(&statistics, "/container_statistics/0/ckpt/copied_bytes") > 10_000_000, "{statistics}");
    // Where the volume lies is an option of its own, and no copy of it has it.
    let others = said.lines().filter(|line| line.starts_with("Warning: ") && !line.contains("options"));
    assert_eq!(others.count(), 0, "{said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_volume_on_xfs_is_copied_when_the_container_runs_again() {
    is_copied_when_the_container_runs_again("/mnt/xfs");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_volume_on_btrfs_is_copied_when_the_container_runs_again() {
    is_copied_when_the_container_runs_again("/mnt/btrfs");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_volume_that_cannot_be_cloned_is_announced() {
    let (statistics, said) = volume_elsewhere("/mnt/ext4");
    assert!(number(&statistics, "/container_statistics/0/ckpt/capture_copied_bytes") < LITTLE, "{statistics}");
    assert!(number(&statistics, "/container_statistics/0/ckpt/copied_bytes") > 10_000_000, "{statistics}");
    let announced =
        "Warning: the volume elsewhere-volume lies where nothing can be cloned: 10.0 MB were copied beforehand";
    assert!(said.contains(announced), "{said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_volume_elsewhere_is_refused_if_clones_are_demanded() {
    let (folder, elsewhere) = (folder(), tempfile::tempdir_in("/mnt/xfs").unwrap());
    let archive = folder.path().join("x.tar");
    let _volume = volume_in(elsewhere.path(), "demanding-volume");
    let container = Container::run("demanding", &["-v", "demanding-volume:/data"], COUNT);
    container.exec(CHANGE);
    let said = ckpt_fails(&["checkpoint", "demanding", "-e", text(&archive), "--reflink", "always"]);
    assert!(said.contains("keeps running") && container.is_running() && !archive.exists(), "{said}");
}
