//! Stores that real podman makes with other drivers, and containers whose IDs it chooses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::lab::*;

/// A store of its own, and how podman and `ckpt` are pointed at it.
struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    /// With a container `box` that has a file of its own.
    fn with_box(conf: &str) -> Self {
        let store = Self { folder: folder() };
        store.configure(conf);
        store.import_tiny();
        store.podman(&["create", "--name", "box", "localhost/tiny", "/bin/busybox", "sleep", "1000"]);
        fs::write(store.mounted().join("new"), "new").unwrap();
        store
    }

    /// Makes the image `localhost/tiny` of busybox.
    fn import_tiny(&self) {
        let rootfs = self.path("rootfs");
        fs::create_dir_all(rootfs.join("bin")).unwrap();
        fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
        let archive = self.path("rootfs.tar");
        succeed("tar", &["-C", text(&rootfs), "-cf", text(&archive), "."]);
        self.podman(&["import", text(&archive), "tiny"]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, conf: &str) {
        let roots = format!("graphroot = {:?}\nrunroot = {:?}\n", self.path("graph"), self.path("run"));
        fs::write(self.path("storage.conf"), format!("[storage]\n{roots}{conf}\n")).unwrap();
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"));
        let containers_conf = self.path("containers.conf");
        if containers_conf.exists() {
            command.env("CONTAINERS_CONF_OVERRIDE", containers_conf);
        }
        command.output().unwrap()
    }

    fn podman(&self, arguments: &[&str]) -> String {
        let output = self.command("podman", arguments);
        assert!(output.status.success(), "podman {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn mounted(&self) -> PathBuf {
        self.podman(&["mount", "box"]).into()
    }

    /// `ckpt diff`, by name and by the place where podman mounts it, and `ckpt layers` all say this and nothing else.
    fn assert_refused(&self, why: &str) {
        let mounted = self.mounted();
        for arguments in [["diff", "box"], ["layers", "box"], ["diff", text(&mounted)]] {
            let output = self.command(env!("CARGO_BIN_EXE_ckpt"), &arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
            assert_eq!(said.trim_end(), format!("Error: {why}"), "{arguments:?}");
        }
        assert!(mounted.join("new").exists());
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Also what is mounted and what are subvolumes.
        for arguments in [["umount", "--all"].as_slice(), &["rm", "--force", "--all"], &["rmi", "--force", "--all"]] {
            self.command("podman", arguments);
        }
        let _ = Command::new("umount").arg(self.path("graph/overlay")).output();
    }
}

#[test]
#[ignore = "needs podman: cargo xtask test"]
fn btrfs_stores_of_vfs_and_btrfs_are_refused_by_name() {
    for driver in ["vfs", "btrfs"] {
        let chosen = format!("driver = {driver:?}");
        let store = Store::with_box(&chosen);
        let why = format!("the storage driver is {driver}, not overlay");
        store.assert_refused(&why);
        // Where nothing is configured, podman takes the driver that the store has.
        store.configure("");
        store.assert_refused(&why);
        store.configure(&chosen);
        // Not what nobody has.
        let output = store.command(env!("CARGO_BIN_EXE_ckpt"), &["diff", "other"]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("no container \"other\""));
    }
}

#[test]
#[ignore = "needs podman and fuse-overlayfs: cargo xtask test"]
fn btrfs_layers_mounted_by_fuse_overlayfs_are_refused() {
    let program = "/usr/bin/fuse-overlayfs";
    let store =
        Store::with_box(&format!("driver = \"overlay\"\n[storage.options.overlay]\nmount_program = {program:?}"));
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(mounts.lines().any(|line| line.starts_with("fuse-overlayfs ")), "{mounts}");
    store.assert_refused(&format!("layers are mounted by {program}, not by the kernel"));
}

#[test]
#[ignore = "needs podman: cargo xtask test"]
fn btrfs_images_of_an_additional_store_lie_below() {
    let shared = Store::with_box("driver = \"overlay\"");
    let shared_graph = shared.path("graph");
    let own = Store { folder: folder() };
    own.configure(&format!("driver = \"overlay\"\n[storage.options]\nadditionalimagestores = [{shared_graph:?}]"));
    own.podman(&["create", "--name", "box", "localhost/tiny", "/bin/busybox", "sleep", "1000"]);
    let mounted = own.mounted();
    fs::write(mounted.join("new"), "12345").unwrap();
    fs::remove_file(mounted.join("bin/busybox")).unwrap();
    let busybox = fs::metadata("/bin/busybox").unwrap().len();
    let ckpt = |arguments: &[&str]| {
        let output = own.command(env!("CARGO_BIN_EXE_ckpt"), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let diff = ckpt(&["diff", "box"]);
    assert!(
        diff.contains("A            5 /new\n") && diff.contains(&format!("D {busybox:>12} /bin/busybox\n")),
        "{diff}"
    );
    let layers: serde_json::Value = serde_json::from_str(&ckpt(&["layers", "box", "--format", "json"])).unwrap();
    let lower = Path::new(layers["lowerdirs"][0].as_str().unwrap());
    assert!(lower.starts_with(&shared_graph), "{lower:?}");
}

/// podman goes by what its database noted at first, whatever storage.conf says now.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_copy_of_the_storage_is_not_taken_for_it() {
    let store = Store { folder: folder() };
    store.configure("driver = \"overlay\"");
    // Set here, they are not below a storage that was moved, which podman would refuse.
    let engine = format!("static_dir = {:?}\nvolume_path = {:?}\n", store.path("static"), store.path("volumes"));
    fs::write(store.path("containers.conf"), format!("[engine]\n{engine}")).unwrap();
    store.import_tiny();
    let script = "while :; do /bin/busybox sleep 1; done";
    store.podman(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network=none",
        "localhost/tiny",
        "/bin/busybox",
        "sh",
        "-c",
        script,
    ]);
    let write = |text: &str| {
        let script = format!("echo {text} > /file");
        store.podman(&["exec", "box", "/bin/busybox", "sh", "-c", &script]);
    };
    write("stale");
    let (graph, copy) = (store.path("graph"), store.path("copy"));
    succeed("cp", &["-a", "--one-file-system", text(&graph), text(&copy)]);
    write("fresh");
    let conf = fs::read_to_string(store.path("storage.conf")).unwrap();
    fs::write(store.path("storage.conf"), conf.replace(text(&graph), text(&copy))).unwrap();
    assert_eq!(store.podman(&["info", "--format", "{{.Store.GraphRoot}}"]), text(&graph));

    let archive = store.path("x.tar");
    let ckpt = |arguments: &[&str]| {
        let output = store.command(env!("CARGO_BIN_EXE_ckpt"), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    ckpt(&["checkpoint", "box", "-e", text(&archive)]);
    store.podman(&["rm", "box"]);
    ckpt(&["restore", "-i", text(&archive)]);
    assert_eq!(store.podman(&["exec", "box", "/bin/busybox", "cat", "/file"]), "fresh");
    fs::write(store.path("storage.conf"), conf).unwrap();
}

/// podman chooses the IDs and records them with the container.
#[test]
#[ignore = "needs podman: cargo xtask test"]
fn btrfs_automatic_user_namespaces_shift_back() {
    for file in ["/etc/subuid", "/etc/subgid"] {
        let lines = fs::read_to_string(file).unwrap_or_default();
        if !lines.contains("containers:") {
            fs::write(file, lines + "containers:2147483647:2147483648\n").unwrap();
        }
    }
    let change = "echo new > /srv/new; chown 5:6 /srv/new; rm /etc/passwd; touch -d @1 /srv/new /srv /etc; sleep 1000";
    // The second gets other IDs than the first.
    let containers =
        ["auto", "auto-too"].map(|name| Container::run(name, &["--userns=auto", "--network=none"], change));
    let maps = containers.each_ref().map(|container| container.exec("cat /proc/self/uid_map"));
    assert!(maps[0] != maps[1], "{maps:?}");
    for (container, map) in containers.iter().zip(&maps) {
        let upper = PathBuf::from(container.inspect("{{.GraphDriver.Data.UpperDir}}"));
        wait_for("the changes", || container.exec("stat -c %Y:%u:%g /etc /srv/new").eq("1:0:0\n1:5:6").then_some(()));
        let first: u32 = map.split_whitespace().nth(1).unwrap().parse().unwrap();
        let stored = std::os::unix::fs::MetadataExt::uid(&fs::metadata(upper.join("srv/new")).unwrap());
        assert_eq!(stored, first + 5);
        let diff = ckpt(&["diff", &container.name]);
        assert!(diff.contains("A            4 /srv/new"), "{diff}");
        assert!(diff.lines().any(|line| line.starts_with("D ") && line.ends_with(" /etc/passwd")), "{diff}");
    }
    // What the two changed is the same, owners included, though no owner on the disk is.
    let between = ckpt(&["diff", "auto", "auto-too"]);
    assert!(!between.contains("/srv") && !between.contains("/etc\n") && !between.contains("passwd"), "{between}");
}
