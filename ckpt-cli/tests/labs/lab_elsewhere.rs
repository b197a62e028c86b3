//! Archives of other stores, other versions of podman, and of containers that are there no more.

use std::fs;
use std::process::Command;

use crate::lab::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A store beside the usual one, with a driver of its own and the usual image.
struct OtherStore {
    folder: TempDir,
    driver: &'static str,
}

impl OtherStore {
    fn new(driver: &'static str) -> Self {
        let store = OtherStore { folder: folder(), driver };
        let image = store.folder.path().join("image.tar");
        podman(&["save", "--quiet", "--output", text(&image), IMAGE]);
        store.podman(&["load", "--quiet", "--input", text(&image)]);
        store
    }

    fn podman(&self, arguments: &[&str]) -> String {
        let (graph, run) = (self.folder.path().join("graph"), self.folder.path().join("run"));
        let place = ["--root", text(&graph), "--runroot", text(&run), "--storage-driver", self.driver];
        // Options that belong to the usual driver.
        let command = ["CONTAINERS_STORAGE_CONF=/dev/null", "podman"];
        succeed("env", &[&command[..], &place, arguments].concat())
    }
}

impl Drop for OtherStore {
    fn drop(&mut self) {
        let graph = self.folder.path().join("graph");
        for arguments in [["rm", "--force", "--all", "--time=0"].as_slice(), &["rmi", "--force", "--all"]] {
            let place = ["--root", text(&graph), "--storage-driver", self.driver];
            let _ = Command::new("podman").args([&place[..], arguments].concat()).output();
        }
        let _ = Command::new("umount").arg(graph.join(self.driver)).output();
    }
}

/// podman itself checkpoints a container in another store, and it is restored in the usual one.
fn comes_from_another_store(driver: &'static str, runtime: &str) {
    let store = OtherStore::new(driver);
    let archive = store.folder.path().join("x.tar");
    let options = ["--runtime", runtime, "--volume", "elsewhere-volume:/data"];
    store.podman(&[&["run", "-d", "--name", "elsewhere"], &options[..], &[IMAGE, "sh", "-c", COUNT]].concat());
    store.podman(&["exec", "elsewhere", "sh", "-c", "echo volume > /data/file; echo tree > /srv/file"]);
    store.podman(&["container", "checkpoint", "--compress", "none", "--export", text(&archive), "elsewhere"]);
    let shown: Value = serde_json::from_str(&ckpt(&["inspect", "--format", "json", text(&archive)])).unwrap();
    assert_eq!(shown["powers"], json!([]));
    let volume = Volume::named("elsewhere-volume");
    let restore = || {
        ckpt(&["restore", "-i", text(&archive)]);
        let restored = Container::named("elsewhere");
        assert_consecutive(&restored.wait_for_numbers(restored.numbers().len() + 1));
        assert!(restored.inspect("{{.ConmonPidFile}} {{.PidFile}}").matches("/run/containers/storage/").count() == 2);
        for _ in 0..2 {
            assert_eq!(restored.exec("cat /data/file /srv/file"), "volume\ntree");
            podman(&["restart", "--time", "0", "elsewhere"]);
        }
        restored.remove();
        volume.remove();
    };
    restore();
    store.podman(&["rm", "elsewhere"]);
    store.podman(&["volume", "rm", "elsewhere-volume"]);
    restore();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_archive_of_the_driver_vfs_is_an_ordinary_one() {
    comes_from_another_store("vfs", "runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_archive_of_the_driver_btrfs_is_an_ordinary_one() {
    comes_from_another_store("btrfs", "crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_an_archive_of_another_root_is_an_ordinary_one() {
    comes_from_another_store("overlay", "crun");
}

/// podman 6 knows a container's networks by another field than 4 and 5; with systemd as manager of cgroups, the parent has
/// another name.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_archive_of_podman_6_with_systemd_keeps_its_network() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("six", &[], COUNT);
    let address = original.inspect("{{.NetworkSettings.Networks.podman.IPAddress}}");
    original.checkpoint_and_remove(&archive);
    let six = edited(&archive, |config, _| {
        let networks = config["newNetworks"].take();
        let (name, options) = networks.as_object().unwrap().iter().next().unwrap();
        let mut network = options.clone();
        network["name"] = json!(name);
        config["orderedNetworks"] = json!([network]);
        config["cgroupParent"] = json!("machine.slice");
    });
    ckpt(&["restore", "-i", text(&six)]);
    let restored = Container::named("six");
    assert!(!address.is_empty());
    assert_eq!(restored.inspect("{{.NetworkSettings.Networks.podman.IPAddress}}"), address);
    assert!(restored.cgroup().contains("libpod_parent"), "{}", restored.cgroup());
}

/// What podman makes for a container in its bundle, it makes for the clone as well: `look` shows it.
fn a_clone_has_files_of_its_own(runtime: &str, options: &[&str], look: &str, seen: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let script = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    let original = Container::run("with-files", &[&["--runtime", runtime], options].concat(), script);
    assert_eq!(original.exec(look), seen);
    original.checkpoint_and_remove(&archive);
    ckpt(&["restore", "-i", text(&archive), "--name", "with-files-too"]);
    let clone = Container::named("with-files-too");
    assert_consecutive(&clone.wait_for_numbers(clone.numbers().len() + 1));
    assert_eq!(clone.exec(look), seen);
    podman(&["restart", "--time", "0", "with-files-too"]);
    assert_eq!(clone.exec(look), seen);
    // A clone's clone finds nothing of either.
    clone.checkpoint_and_remove(&archive);
    ckpt(&["restore", "-i", text(&archive), "--name", "with-files"]);
    assert_eq!(original.exec(look), seen);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_clone_has_secrets_and_a_time_zone_of_its_own() {
    let folder = folder();
    let secret = folder.path().join("secret");
    fs::write(&secret, "silence").unwrap();
    podman(&["secret", "create", "--replace", "clones-secret", text(&secret)]);
    let options = ["--secret", "clones-secret", "--secret", "clones-secret,target=/etc/key", "--tz", "Asia/Kathmandu"];
    let look = "cat /run/secrets/clones-secret /etc/key; date +%z";
    for runtime in RUNTIMES {
        a_clone_has_files_of_its_own(runtime, &options, look, "silencesilence+0545");
    }
    podman(&["secret", "rm", "clones-secret"]);
}

/// Into a root that is read-only, podman mounts copies of the image's files with those that it adds.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_read_only_clone_has_users_of_its_own() {
    let options = ["--read-only", "--hostuser", "daemon"];
    let look = "grep -c ^daemon: /etc/passwd; mount | grep -c ' on /etc/passwd '";
    for runtime in RUNTIMES {
        a_clone_has_files_of_its_own(runtime, &options, look, "1\n1");
    }
}
