//! Memory that comes later is not copied beforehand, where it could not be cloned.

use std::path::Path;

use crate::lab::*;
use tempfile::TempDir;

/// Keeps some 60 MB of what nobody could guess, and tells its sum again and again.
const REMEMBER: &str = r#"
    remembered=$(head -c 45000000 /dev/urandom | base64)
    while :; do echo "$remembered" | md5sum > /srv/sum.new; mv /srv/sum.new /srv/sum; sleep 0.1; done"#;

/// What is on another file system than podman's storage.
fn elsewhere() -> TempDir {
    tempfile::tempdir_in("/mnt/ext4").unwrap()
}

fn sum(container: &Container) -> String {
    container.exec("rm -f /srv/sum");
    wait_for("a sum", || Some(container.exec("cat /srv/sum 2>/dev/null || :")).filter(|sum| !sum.is_empty()))
}

/// Leaves a container in an archive; gives what it remembers.
fn remembered_in(archive: &Path, runtime: &str) -> String {
    let container = Container::run("lazy-copy", &["--runtime", runtime], REMEMBER);
    let before = sum(&container);
    ckpt(&["checkpoint", "lazy-copy", "-e", text(archive)]);
    container.remove();
    before
}

fn copied_bytes(arguments: &[&str]) -> u64 {
    statistics(&ckpt(&[arguments, &["--print-stats"]].concat()))["copied_bytes"].as_u64().unwrap()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_lazy_restore_copies_only_what_cannot_come_later() {
    for runtime in RUNTIMES {
        let folder = elsewhere();
        let archive = folder.path().join("x.tar");
        let before = remembered_in(&archive, runtime);
        let restore = ["restore", "-i", text(&archive), "--lazy=always"];
        let restored = Container::named("lazy-copy");
        let copied = copied_bytes(&restore);
        assert!(copied < 10_000_000, "{copied} bytes were copied");
        assert_eq!(sum(&restored), before);
        // podman could restore from images that it keeps, and without a server: all of them are there.
        restored.remove();
        assert!(copied_bytes(&["restore", "-i", text(&archive), "--lazy", "--keep"]) > 60_000_000);
        assert_eq!(sum(&restored), before);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_criu_that_is_not_told_of_later_memory_does_not_run_without_it() {
    let folder = elsewhere();
    let archive = folder.path().join("x.tar");
    remembered_in(&archive, "crun");
    // It hears nothing of the configuration, nor of the scripts that are named there.
    let script = format!("#!/bin/sh\nunset CRIU_CONFIG_FILE\nexec {} \"$@\"\n", installed("criu"));
    let deaf = folder_of(&[], &[("criu", &script)]);
    ckpt_fails_with(deaf.path(), &["restore", "-i", text(&archive), "--lazy=always"]);
    assert!(!podman(&["ps", "-a"]).contains("lazy-copy"));
    ckpt(&["restore", "-i", text(&archive), "--lazy=always", "--wait-memory"]);
    Container::named("lazy-copy");
}
