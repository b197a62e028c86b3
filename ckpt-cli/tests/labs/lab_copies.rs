//! Where nothing can be cloned, or not into the archive: the same, by copying.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::lab::*;

const CHANGE: &str = "
    set -e
    head -c 20000000 /dev/urandom > /srv/large; echo new > /srv/new; rm /etc/passwd
    truncate -s 300000000 /srv/sparse; echo end >> /srv/sparse";

/// Checkpoints into `archive` and restores from it; gives what the checkpoint said on stderr.
fn round_trip(name: &str, archive: &Path) -> String {
    let original = Container::run(name, &[], COUNT);
    original.exec(CHANGE);
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &["checkpoint", name, "-e", text(archive)]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let tree = original.tree();
    original.remove();
    let clone = Container::named(&format!("{name}-clone"));
    ckpt(&["restore", "-i", text(archive), "--name", &clone.name]);
    assert_same_tree(&tree, &clone.tree());
    assert_consecutive(&clone.wait_for_numbers(5));
    let sparse = Path::new(&podman(&["mount", &clone.name])).join("srv/sparse").metadata().unwrap();
    assert!(sparse.blocks() * 512 < 1_000_000, "the hole of the restored file was filled");
    let on_disk = archive.metadata().unwrap().blocks() * 512;
    assert!(on_disk < 30_000_000, "the hole in the archive was filled: {on_disk} bytes");
    said
}

fn warnings(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("Warning: ")).collect()
}

/// The number before "MB were copied beforehand".
fn announced_megabytes(said: &str) -> f64 {
    said.split(" MB were copied beforehand").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_storage_is_copied_with_one_warning() {
    let folder = folder();
    let said = round_trip("copied", &folder.path().join("x.tar"));
    assert_eq!(warnings(&said).len(), 1, "{said}");
    assert!(said.starts_with("Warning: ") && said.contains("no reflink"), "the warning comes first: {said}");
    assert!(announced_megabytes(&said) >= 20.0 && announced_megabytes(&said) < 40.0, "{said}");
    assert!(said.contains(" MB are copied while the container is frozen, some "), "{said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_storage_refuses_to_copy_if_told_so() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("refused", &[], COUNT);
    original.exec("head -c 9000 /dev/urandom > /srv/large");
    let said = ckpt_fails(&["checkpoint", "refused", "-e", text(&archive), "--reflink", "always"]);
    assert!(said.contains("keeps running") && said.contains("FICLONERANGE"), "{said}");
    assert!(original.is_running() && !archive.exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn archives_on_other_file_systems_are_copies_of_clones() {
    for place in ["/mnt/ext4", "/tmp"] {
        let folder = tempfile::tempdir_in(place).unwrap();
        let said = round_trip("elsewhere", &folder.path().join("x.tar"));
        assert_eq!(warnings(&said).len(), 0, "the container is not frozen for the copy: {said}");
    }
}
