//! Archives from somebody else: whose they are, and what they would do on the host.

mod lab;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use lab::*;
use rustix::fs::{XattrFlags, setxattr};
use tempfile::TempDir;

/// The archive of a container that is there no more.
fn archive_of(name: &str) -> (TempDir, PathBuf) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run(name, &[], COUNT);
    original.exec("echo changed > /srv/file");
    ckpt(&["checkpoint", name, "-e", text(&archive)]);
    original.remove();
    (folder, archive)
}

fn containers() -> String {
    podman(&["ps", "-a", "--format", "{{.Names}}"])
}

/// An access ACL that lets user 1234 write (acl(5)): version 2, then tag, permissions and ID of each entry.
fn acl_with_a_writer() -> Vec<u8> {
    let entries = [(1_u16, 6_u16, u32::MAX), (2, 6, 1234), (4, 0, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)];
    let bytes = entries.iter().flat_map(|(tag, permissions, id)| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    });
    2_u32.to_le_bytes().into_iter().chain(bytes).collect()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_archives_of_others_need_trust() {
    let (_folder, archive) = archive_of("owned");
    let set = |uid: u32, mode: u32| {
        chown(&archive, Some(uid), None).unwrap();
        fs::set_permissions(&archive, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (case, uid, mode, words) in [
        ("somebody else's", 1234, 0o600, "belongs to user 1234"),
        ("writable by the group", 0, 0o620, "can be written by others (mode 620)"),
        ("writable by all", 0, 0o602, "can be written by others (mode 602)"),
    ] {
        set(uid, mode);
        let said = ckpt_fails(&["restore", "-i", text(&archive)]);
        assert!(said.contains(words) && said.contains("--trust"), "{case}: {said}");
        assert_eq!(containers(), "", "{case}");
    }
    set(0, 0o600);
    setxattr(&archive, "system.posix_acl_access", &acl_with_a_writer(), XattrFlags::empty()).unwrap();
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert!(said.contains("can be written by others"), "writable by an ACL: {said}");
    rustix::fs::removexattr(&archive, "system.posix_acl_access").unwrap();
    // A link of root's does not make it root's.
    set(1234, 0o600);
    let link = archive.with_file_name("link");
    std::os::unix::fs::symlink(&archive, &link).unwrap();
    let said = ckpt_fails(&["restore", "-i", text(&link)]);
    assert!(said.contains("belongs to user 1234"), "behind a link: {said}");
    // Nobody else than who called sudo.
    let as_sudoer = |uid: &str| {
        run("env", &[&format!("SUDO_UID={uid}"), env!("CARGO_BIN_EXE_ckpt"), "restore", "-i", text(&archive)])
    };
    assert!(!as_sudoer("4321").status.success());
    let restored = Container::named("owned");
    assert!(as_sudoer("1234").status.success());
    assert!(restored.is_running());
    restored.remove();
    set(1234, 0o666);
    ckpt(&["restore", "-i", text(&archive), "--trust"]);
    assert_eq!(restored.exec("cat /srv/file"), "changed");
}

/// Makes the image `localhost/base` of busybox and one more file; gives its ID.
fn import_base(folder: &Path, content: &str) -> String {
    let root = folder.join(content);
    fs::create_dir(&root).unwrap();
    fs::copy("/bin/busybox", root.join("busybox")).unwrap();
    fs::write(root.join(content), content).unwrap();
    let script = format!("tar -c -C {} . | podman import --quiet - localhost/base", root.display());
    succeed("sh", &["-c", &script]).trim_start_matches("sha256:").to_owned()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_another_image_is_taken_only_if_asked_for() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let first = import_base(folder.path(), "first");
    // A sleep that is interrupted by a checkpoint ends.
    let script = "while :; do /busybox sleep 1; done";
    podman(&["run", "-d", "--name", "rebased", "localhost/base", "/busybox", "sh", "-c", script]);
    let rebased = Container::named("rebased");
    podman(&["exec", "rebased", "/busybox", "sh", "-c", "/busybox echo changed > /changed; /busybox rm /first"]);
    ckpt(&["checkpoint", "rebased", "-e", text(&archive)]);
    rebased.remove();
    let second = import_base(folder.path(), "second");
    let ls = || podman(&["exec", "rebased", "/busybox", "ls", "/"]);
    // The tag has moved on, but the image of the recorded ID is still here: podman takes that.
    ckpt(&["restore", "-i", text(&archive)]);
    assert_eq!(rebased.inspect("{{.Image}}"), first);
    assert!(ls().contains("changed") && !ls().contains("second"), "{}", ls());
    rebased.remove();
    podman(&["rmi", &first]);
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert!(said.contains("--allow-image-mismatch") && said.contains(&second[..12]), "{said}");
    assert_eq!(containers(), "");
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", text(&archive), "--allow-image-mismatch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Warning: localhost/base:latest is ") && said.contains(&first), "{said}");
    assert_eq!(rebased.inspect("{{.Image}}"), second);
    assert!(ls().contains("changed") && ls().contains("second") && !ls().contains("first"), "{}", ls());
    rebased.remove();
    podman(&["rmi", "localhost/base"]);
}
