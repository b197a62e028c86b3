//! Our archives are podman's and podman's are ours.

use std::path::PathBuf;

use crate::lab::*;

/// Mount points, and files that podman makes for each container: its own archives do not have them.
const PODMANS_OWN: [&str; 9] =
    ["dev", "proc", "sys", "run", "run/.containerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"];

type Tree = std::collections::BTreeMap<PathBuf, String>;

/// A tree as podman's own restore gives it back from our archive: times to the second. Directories' times are not
/// counted, for podman deletes what `deleted.files` names after it has set them. docs/limits.md, has all that podman
/// does not give back.
fn to_the_second(tree: Tree) -> Tree {
    let coarsen = |line: String| {
        let (before, rest) = line.split_once('.').unwrap();
        let (_nanoseconds, attributes) = rest.split_once(' ').unwrap();
        let before = if line.starts_with('4') { before.rsplit_once(' ').unwrap().0 } else { before };
        format!("{before} {attributes}")
    };
    let is_podmans = |path: &PathBuf| PODMANS_OWN.contains(&path.to_str().unwrap());
    tree.into_iter().filter(|(path, _)| !is_podmans(path)).map(|(path, line)| (path, coarsen(line))).collect()
}

/// A tree as podman's own archive holds it: hard links are files of their own as well.
fn without_links(tree: Tree) -> Tree {
    let split = |line: String| {
        let (before, rest) = line.split_once(" links ").unwrap();
        format!("{before} {}", rest.split_once(' ').unwrap().1)
    };
    to_the_second(tree).into_iter().map(|(path, line)| (path, split(line))).collect()
}

const CHANGE: &str = "
    set -e
    head -c 3000000 /dev/urandom > /srv/large; echo new > /srv/new
    rm /etc/passwd; rm -r /srv/tree/folder1; rm -r /srv/tree/folder2; mkdir /srv/tree/folder2
    echo again > /srv/tree/folder2/again; echo more >> /etc/group; mkdir -p /srv/deep/er; echo x > /srv/deep/er/x
    ln /srv/new /srv/new-link; chown 1000 /srv/deep; echo volume > /data/file";

/// What a tar archive can say beside that, made from outside since busybox cannot: attributes, ACLs, every kind of file,
/// kinds that change, links across directories, renamed directories, holes.
const CHANGE_FROM_OUTSIDE: &str = "
    setfattr -n user.note -v new srv/new; setfattr -n user.note -v changed srv/tree/with-xattr
    setfacl -m u:7:rw srv/deep/er/x; setfacl -m g:7:rwx srv/deep
    mkfifo srv/fifo; mknod srv/null c 1 3; ln -s /nowhere srv/symlink; ln srv/new srv/deep/link; truncate -s 20M srv/sparse
    echo end >> srv/sparse; chmod 6711 srv/large; chown 5:6 srv/fifo; chown -h 7:8 srv/symlink
    rm -r srv/tree/folder0; echo file > srv/tree/folder0; rm srv/tree/setuid; mkdir srv/tree/setuid; echo in > srv/tree/setuid/in
    mv srv/tree/folder3 srv/moved; rmdir srv/tree/empty; touch -d '2001-02-03 04:05:06' srv/deep/er/x";

fn podman_restores_ours(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("ours-volume");
    let original = Container::run("ours", &["--runtime", runtime, "-v", "ours-volume:/data"], COUNT);
    original.exec(CHANGE);
    // podman's own export would not have this.
    original.exec("chmod 700 /home");
    original.change_from_outside(CHANGE_FROM_OUTSIDE);
    ckpt(&["checkpoint", "ours", "-e", text(&archive)]);
    let (tree, files) = (to_the_second(original.tree()), to_the_second(volume.tree()));
    original.remove();
    volume.remove();
    let clone = Container::named("ours-clone");
    podman(&["container", "restore", "-i", text(&archive), "--name", "ours-clone"]);
    assert_same_tree(&tree, &to_the_second(clone.tree()));
    assert_same_tree(&files, &to_the_second(volume.tree()));
    assert_consecutive(&clone.wait_for_numbers(8));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn podman_restores_ours_runc() {
    podman_restores_ours("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn podman_restores_ours_crun() {
    podman_restores_ours("crun");
}

fn we_restore_podmans(compression: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("theirs-volume");
    let original = Container::run("theirs", &["-v", "theirs-volume:/data"], COUNT);
    // A directory made anew is /srv/tree/folder2 in deleted.files and its new content in rootfs-diff.tar.
    original.exec(CHANGE);
    podman(&["container", "checkpoint", "theirs", "-e", text(&archive), "--compress", compression]);
    let files = without_links(volume.tree());
    let tree = without_links(original.tree());
    original.remove();
    volume.remove();
    let clone = Container::named("theirs-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "theirs-clone"]);
    assert_same_tree(&tree, &without_links(clone.tree()));
    assert_same_tree(&files, &without_links(volume.tree()));
    assert_consecutive(&clone.wait_for_numbers(8));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn we_restore_podmans_uncompressed() {
    we_restore_podmans("none");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn we_restore_podmans_gzip() {
    we_restore_podmans("gzip");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn we_restore_podmans_zstd() {
    we_restore_podmans("zstd");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ours_compressed_come_back_here_and_there() {
    for compression in ["gzip", "zstd"] {
        let folder = folder();
        let archive = folder.path().join("x.tar");
        let original = Container::run("packed", &[], COUNT);
        original.exec("head -c 3000000 /dev/zero > /srv/zeros; echo text > /srv/text");
        ckpt(&["checkpoint", "packed", "-e", text(&archive), "--compress", compression]);
        assert!(archive.metadata().unwrap().len() < 1_000_000);
        let tree = original.tree();
        original.remove();
        let clone = Container::named("packed-clone");
        ckpt(&["restore", "-i", text(&archive), "--name", "packed-clone"]);
        assert_same_tree(&tree, &clone.tree());
        clone.remove();
        podman(&["container", "restore", "-i", text(&archive), "--name", "packed-clone"]);
        assert!(clone.is_running());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn checkpointctl_accepts_ours() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("shown", &[], COUNT);
    original.exec("echo new > /srv/new");
    ckpt(&["checkpoint", "shown", "-e", text(&archive)]);
    let shown = succeed("checkpointctl", &["show", text(&archive)]);
    assert!(shown.contains("shown") && shown.contains("localhost/busybox"), "{shown}");
    let inspected = succeed("checkpointctl", &["inspect", text(&archive), "--ps-tree", "--files"]);
    assert!(inspected.contains("shown") && inspected.contains("[1]  sh"), "{inspected}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn inspect_says_what_is_in_it_and_shared() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("inspected", &[], COUNT);
    original.exec("head -c 8000000 /dev/urandom > /srv/large; rm /etc/passwd");
    ckpt(&["checkpoint", "inspected", "-e", text(&archive), "--file-locks"]);
    let json: serde_json::Value =
        serde_json::from_str(&ckpt(&["inspect", text(&archive), "--format", "json"])).unwrap();
    assert_eq!(json["name"], "inspected");
    assert_eq!(json["deleted"], 1);
    assert_eq!(json["manifest"]["flags"], serde_json::json!(["--file-locks"]));
    assert!(json["manifest"]["versions"]["criu"].as_str().unwrap().starts_with('4'), "{json}");
    assert!(json["blocks"]["shared_bytes"].as_u64().unwrap() >= 7_999_488, "{json}");
    let table = ckpt(&["inspect", text(&archive)]);
    assert!(table.contains("rootfs-diff.tar") && table.contains("shared with other files"), "{table}");
}
