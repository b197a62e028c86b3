//! `ckpt rootfs` and other engines: their containers, and what their own ways lose of the same changes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::changes::*;
use crate::docker::Docker;
use crate::lab::*;

/// Where containerd's state is unless it is told another place.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task";

/// Without a share of the processor: the lab's cgroups have no controllers.
const RUN: &[&str] =
    &["run", "--detach", "--snapshotter", "overlayfs", "--cpu-shares", "0", "localhost/base:1", "web", "sleep", "1000"];

/// A containerd of its own, which ends with the test; its state is where `ckpt` looks for it.
struct Containerd {
    folder: tempfile::TempDir,
    containerd: Child,
}

impl Containerd {
    fn start() -> Self {
        let folder = folder();
        let place = |name: &str| folder.path().join(name);
        let log = fs::File::create(place("log")).unwrap();
        let containerd = Command::new("containerd")
            .arg("--root")
            .arg(place("root"))
            .arg("--address")
            .arg(place("sock"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let containerd = Self { folder, containerd };
        wait_for("containerd answers", || {
            containerd.command(&["version"]).output().unwrap().status.success().then_some(())
        });
        containerd
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.folder.path().join("sock")).args(arguments);
        command
    }

    fn ctr(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "ctr {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The directories of a container's snapshot, as `ctr` says that they are to be mounted.
    fn options(&self, container: &str) -> BTreeMap<String, String> {
        let mount = self.ctr(&["snapshots", "mounts", "/nowhere", container]);
        let pairs = mount.split([' ', ',']).filter_map(|option| option.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for container in ["web", "second"] {
            for words in
                [&["tasks", "kill", "--signal", "KILL", container][..], &["tasks", "delete", "--force", container]]
            {
                let _ = self.command(words).output();
            }
            let _ = self.command(&["containers", "delete", container]).output();
        }
        let _ = Command::new("kill").arg(self.containerd.id().to_string()).status();
        let _ = self.containerd.wait();
        let _ = fs::remove_dir_all("/run/containerd");
    }
}

/// An archive with an image of busybox and the base of the changes, for `ctr image import` and `docker load`.
fn image(folder: &Path) -> PathBuf {
    let root = folder.join("image");
    add_busybox(&root, &["bin/busybox"]);
    for name in ["sh", "sleep"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    shell_in(&root, BASE);
    let archive = folder.join("image.tar");
    let id = import_image(&root, "localhost/base:1");
    podman(&["save", "--quiet", "--output", text(&archive), "localhost/base:1"]);
    podman(&["rmi", "--force", &id]);
    archive
}

/// The tree of an overlay that is not mounted, while it is mounted for that.
fn tree(folder: &Path, lowerdir: &str, upperdir: &Path) -> BTreeMap<PathBuf, String> {
    let (merged, work) = (folder.join("merged"), folder.join("work"));
    [&merged, &work].iter().for_each(|dir| fs::create_dir_all(dir).unwrap());
    let options = format!("lowerdir={lowerdir},upperdir={},workdir={}", text(upperdir), text(&work));
    succeed("mount", &["-t", "overlay", "-o", &options, "overlay", text(&merged)]);
    let tree = describe_tree(&merged);
    succeed("umount", &[text(&merged)]);
    fs::remove_dir_all(work).unwrap();
    tree
}

#[test]
#[ignore = "needs containerd: cargo xtask test"]
fn containers_of_containerd_are_saved_and_come_back() {
    let containerd = Containerd::start();
    let folder = containerd.folder.path();
    containerd.ctr(&["images", "import", "--snapshotter", "overlayfs", text(&image(folder))]);
    containerd.ctr(RUN);
    let merged = Path::new(TASKS).join("default/web/rootfs");
    shell_in(&merged, CHANGE);
    let before = describe_tree(&merged);
    let layers: serde_json::Value = serde_json::from_str(&ckpt(&["layers", "web", "--format", "json"])).unwrap();
    let options = containerd.options("web");
    assert_eq!(
        (layers["store"].as_str(), layers["upperdir"].as_str()),
        (Some("containerd"), options.get("upperdir").map(String::as_str))
    );

    let listed = containerd.ctr(&["tasks", "list"]);
    let pid = listed.lines().find_map(|line| line.strip_prefix("web")).unwrap().split_whitespace().next().unwrap();
    let create = ["containers", "create", "--snapshotter", "overlayfs", "localhost/base:1", "second", "sleep", "1000"];
    for (target, form) in [("web", "oci"), (pid, "podman"), (text(&merged), "overlay")] {
        let archive = folder.join("x.tar");
        ckpt(&["rootfs", "save", target, "-e", text(&archive), "--format", form, "--freeze", "--reflink", "always"]);
        containerd.ctr(&create);
        let second = containerd.options("second");
        let (upper, lower) = (&second["upperdir"], &second["lowerdir"]);
        let directories = ["--upperdir", upper, "--lowerdir", lower];
        ckpt(&[&["rootfs", "apply", "-i", text(&archive), "--reflink", "always"], &directories[..]].concat());
        assert_same_tree(&before, &tree(folder, lower, Path::new(upper)));
        containerd.ctr(&["containers", "delete", "second"]);
    }
    assert!(containerd.ctr(&["tasks", "list"]).contains("RUNNING"));
    let said = ckpt_fails(&["rootfs", "apply", "web", "-i", text(&folder.join("x.tar")), "--replace"]);
    assert_says(&said, &["is mounted", "stop the container"]);
}

#[test]
#[ignore = "needs Docker: cargo xtask test"]
fn containers_of_docker_are_saved_and_come_back() {
    let docker = Docker::start(&[]);
    docker.docker(&["load", "--input", text(&image(docker.folder.path()))]);
    let command = ["--network=none", "localhost/base:1", "sleep", "1000"];
    docker.docker(&[&["run", "--detach", "--name", "web"], &command[..]].concat());
    let merged = docker.layer_dirs("MergedDir");
    shell_in(&merged, CHANGE);
    let before = describe_tree(&merged);
    let pid = docker.docker(&["inspect", "--format", "{{.State.Pid}}", "web"]);
    let lowers = docker.layer_dirs("LowerDir");
    let layer_of_docker = Path::new(text(&lowers).split(':').next().unwrap());
    let archive = docker.folder.path().join("x.tar");
    for (target, form) in [("web", "oci"), (pid.trim(), "overlay")] {
        ckpt(&["rootfs", "save", target, "-e", text(&archive), "--format", form, "--freeze", "--reflink", "always"]);
        docker.docker(&[&["create", "--name", "second"], &command[..]].concat());
        ckpt(&["rootfs", "apply", "second", "-i", text(&archive), "--reflink", "always"]);
        docker.docker(&["start", "second"]);
        let second = docker.docker(&["inspect", "--format", "{{.GraphDriver.Data.MergedDir}}", "second"]);
        let mut lost = lost(&before, &describe_tree(Path::new(second.trim())));
        // What Docker puts in a layer between image and container is each container's own.
        lost.retain(|path| !layer_of_docker.join(path).exists());
        assert_eq!(lost, Vec::<String>::new(), "{target}");
        assert_says(&ckpt_fails(&["rootfs", "apply", "second", "-i", text(&archive)]), &["is mounted"]);
        docker.docker(&["rm", "--force", "second"]);
    }
    assert!(docker.docker(&["ps"]).contains("web"));
    // It gives names alone, and the one with a line feed is two.
    let listed = docker.docker(&["diff", "web"]);
    let ours = ckpt(&["rootfs", "diff", "web"]);
    let name = |line: &str| line.split_once('/').map(|(_, path)| path.to_owned()).unwrap_or_default();
    let listed: std::collections::BTreeSet<String> = listed.lines().map(name).collect();
    let missing: Vec<String> = ours.lines().map(name).filter(|path| !listed.contains(path)).collect();
    assert_eq!(missing, ["odd\\012name"]);
}

/// The table of docs/files.md: applied by the same program, so only what an archive lacks is lost.
#[test]
#[ignore = "needs containerd: cargo xtask test"]
fn btrfs_what_others_lose() {
    let containerd = Containerd::start();
    let folder = containerd.folder.path();
    containerd.ctr(&["images", "import", "--snapshotter", "overlayfs", text(&image(folder))]);
    containerd.ctr(RUN);
    let merged = Path::new(TASKS).join("default/web/rootfs");
    shell_in(&merged, CHANGE);
    let before = describe_tree(&merged);
    let options = containerd.options("web");
    let (upper, lower) = (&options["upperdir"], &options["lowerdir"]);
    let archive = |name: &str| folder.join(name);
    let diff = containerd
        .command(&["snapshots", "diff", "--media-type", "application/vnd.oci.image.layer.v1.tar", "web"])
        .stdout(fs::File::create(archive("ctr.tar")).unwrap())
        .status();
    assert!(diff.unwrap().success());
    succeed("tar", &["-C", upper, "-cf", text(&archive("plain.tar")), "."]);
    succeed(
        "tar",
        &[
            "-C",
            upper,
            "--format=posix",
            "--xattrs",
            "--xattrs-include=*",
            "--sparse",
            "-cf",
            text(&archive("told.tar")),
            ".",
        ],
    );
    ckpt(&["rootfs", "save", "web", "-e", text(&archive("ckpt.tar"))]);
    let losses = |name: &str| {
        let target = folder.join(format!("{name}-upper"));
        fs::create_dir(&target).unwrap();
        let directories = ["--upperdir", text(&target), "--lowerdir", lower];
        ckpt(&[&["rootfs", "apply", "-i", text(&archive(&format!("{name}.tar")))], &directories[..]].concat());
        let after = tree(folder, lower, &target);
        let mut rows: Vec<&str> =
            ROWS.iter().filter(|(_, is)| is(&before) != is(&after)).map(|(row, _)| *row).collect();
        if fs::metadata(target.join("sparse")).unwrap().blocks() > (1 << 20) / 512 {
            rows.push("holes");
        }
        (rows, lost(&before, &after))
    };
    assert_eq!(losses("ckpt"), (Vec::new(), Vec::new()));
    assert_eq!(losses("told"), (vec!["socket"], vec!["replaced".to_owned()]));
    let (ctr, plain) = (losses("ctr").0, losses("plain").0);
    assert_eq!(ctr, ["ACL", "socket", "time below a second", "trusted.*, security.*", "user.*", "holes"]);
    assert_eq!(
        plain,
        ["ACL", "directory made anew", "socket", "time below a second", "trusted.*, security.*", "user.*", "holes"]
    );
}

type Tree = BTreeMap<PathBuf, String>;

/// The words of what is said of a file that are meant.
fn said(tree: &Tree, path: &str, is_meant: fn(&str) -> bool) -> Vec<String> {
    let line = tree.get(Path::new(path)).map(String::as_str).unwrap_or_default();
    line.split(&[' ', '{', ','][..]).filter(|word| is_meant(word)).map(str::to_owned).collect()
}

/// An attribute of a file, with its value.
fn xattr(tree: &Tree, path: &str, prefix: &str) -> Vec<String> {
    let line = tree.get(Path::new(path)).map(String::as_str).unwrap_or_default();
    line.match_indices(prefix).map(|(at, _)| line[at..].chars().take_while(|&c| c != ']').collect()).collect()
}

/// What can be lost, by name: what a tree says of it.
#[allow(clippy::type_complexity, reason = "a table")]
const ROWS: &[(&str, fn(&Tree) -> Vec<String>)] = &[
    ("ACL", |tree| xattr(tree, "etc/group", "system.posix_acl_access")),
    ("deleted file", |tree| said(tree, "etc/passwd", |_| true)),
    ("directory made anew", |tree| said(tree, "d/old", |_| true)),
    ("edited file", |tree| said(tree, "etc/group", |word| word.starts_with("Some(("))),
    ("hard link", |tree| said(tree, "big", |word| word == "2")),
    ("mode and owner of a directory", |tree| said(tree, "keep", |word| word == "42711" || word == "7:8")),
    ("device", |tree| said(tree, "null", |word| word == "259" || word == "20644")),
    ("socket", |tree| said(tree, "replaced", |word| word.starts_with("14"))),
    ("time below a second", |tree| said(tree, "d/new", |word| word.contains('.'))),
    ("trusted.*, security.*", |tree| {
        [xattr(tree, "etc/group", "trusted.note"), xattr(tree, "etc/group", "security.note")].concat()
    }),
    ("user.*", |tree| xattr(tree, "keep", "user.note")),
];
