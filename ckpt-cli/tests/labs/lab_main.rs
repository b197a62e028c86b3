//! The main job: what was in the container is in the container again.

use crate::lab::*;

/// Every way a container can change its files; `$1` is its volume's folder.
const CHANGE: &str = r#"
set -e
for n in 1 2 3 4; do head -c 50000000 /dev/urandom > /srv/large$n; done
head -c 5000 /dev/urandom > /srv/block-and-tail
echo new > /srv/new; ln /srv/new /srv/new-link; ln -s new /srv/new-symlink; mkfifo -m 640 /srv/fifo
echo edited >> /srv/tree/folder0/0 2>/dev/null || echo edited >> /etc/group
rm /etc/passwd; rm -r /srv/tree/folder1
rm -r /srv/tree/folder2; mkdir /srv/tree/folder2; echo again > /srv/tree/folder2/again
chmod 4711 /etc/hostname-of-image; chown 1000:1000 /home; chmod 700 /var
truncate -s 100000000 /srv/sparse; echo middle | dd of=/srv/sparse bs=1 seek=50000000 conv=notrunc 2>/dev/null
touch -d '2001-02-03 04:05:06' /srv/tree/folder3; mv /srv/tree/folder0 /srv/renamed
echo shared > /dev/shm/memory
head -c 10000000 /dev/urandom > /data/large; echo small > /data/small; mkdir /data/folder; chown 1000 /data/folder
sync
"#;

fn everything_comes_back(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("everything-volume");
    let original = Container::run("everything", &["--runtime", runtime, "-v", "everything-volume:/data"], COUNT);
    original.exec(CHANGE);
    original.wait_for_numbers(5);
    original.signal();

    let used_before = used_bytes(folder.path());
    let printed = ckpt(&["checkpoint", "everything", "-e", text(&archive), "--reflink", "always", "--print-stats"]);
    let data = 4 * 50_000_000 + 10_000_000;
    let packed = statistics(&printed);
    assert!(packed["cloned_bytes"].as_u64().unwrap() > data, "{packed}");
    assert!(packed["hole_bytes"].as_u64().unwrap() > 90_000_000, "{packed}");
    let grown = used_bytes(folder.path()).saturating_sub(used_before);
    assert!(grown < data / 100, "the checkpoint took {grown} bytes");
    assert!(!original.is_running());

    let (tree, files, numbers) = (original.tree(), volume.tree(), original.numbers());
    original.remove();
    volume.remove();
    let used_before = used_bytes(folder.path());
    let clone = Container::named("everything-clone");
    let printed =
        ckpt(&["restore", "-i", text(&archive), "--name", "everything-clone", "--reflink", "always", "--print-stats"]);
    let unpacked = statistics(&printed);
    assert!(unpacked["cloned_bytes"].as_u64().unwrap() > data, "{unpacked}");
    assert!(clone.is_running());
    assert_same_tree(&tree, &clone.tree());
    assert_same_tree(&files, &volume.tree());
    let grown = used_bytes(folder.path()).saturating_sub(used_before);
    assert!(grown < data / 100, "the restore took {grown} bytes");

    let continued = clone.wait_for_numbers(numbers.len() + 5);
    assert_consecutive(&continued);
    assert_eq!(clone.exec("cat /dev/shm/memory"), "shared");
    let log = clone.signal();
    assert_eq!(log.len(), 2, "the open log file goes on: {log:?}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn everything_comes_back_runc() {
    everything_comes_back("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn everything_comes_back_crun() {
    everything_comes_back("crun");
}

fn same_name_and_network_come_back(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("same", &["--runtime", runtime, "-p", "18080:80"], COUNT);
    original.wait_for_numbers(3);
    let address = "{{.Id}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}";
    let before = original.inspect(address);
    assert_eq!(ckpt(&["checkpoint", "same", "--export", text(&archive)]), "same");
    original.remove();
    let id = ckpt(&["restore", "--import", text(&archive)]);
    assert_eq!(original.inspect(address), before);
    assert!(before.starts_with(&id), "{before} {id}");
    assert!(original.is_running());
    assert!(original.exec("ip addr show eth0").contains("inet "));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn same_name_and_network_come_back_runc() {
    same_name_and_network_come_back("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn same_name_and_network_come_back_crun() {
    same_name_and_network_come_back("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn containers_without_a_network_and_with_the_hosts_memory_come_back() {
    for runtime in RUNTIMES {
        let folder = folder();
        let archive = folder.path().join("x.tar");
        std::fs::write("/dev/shm/the-hosts", "stays").unwrap();
        let original = Container::run(
            "bare",
            &["--runtime", runtime, "--network", "none", "--ipc", "host", "--read-only"],
            "
                i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done",
        );
        original.wait_for_numbers(3);
        original.checkpoint_and_remove(&archive);
        ckpt(&["restore", "-i", text(&archive)]);
        assert_consecutive(&original.wait_for_numbers(8));
        assert_eq!(std::fs::read_to_string("/dev/shm/the-hosts").unwrap(), "stays");
        std::fs::remove_file("/dev/shm/the-hosts").unwrap();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_pods_member_comes_back_into_another_pod() {
    for runtime in RUNTIMES {
        let folder = folder();
        let archive = folder.path().join("x.tar");
        let before = Pod::create("pod-before");
        let original = Container::run("member", &["--runtime", runtime, "--pod", "pod-before"], COUNT);
        original.exec("echo shared > /dev/shm/memory; echo new > /srv/new");
        ckpt(&["checkpoint", "member", "-e", text(&archive)]);
        before.remove();
        let _after = Pod::create("pod-after");
        ckpt(&["restore", "-i", text(&archive), "--pod", "pod-after", "-n", "member-clone"]);
        let clone = Container::named("member-clone");
        assert_consecutive(&clone.wait_for_numbers(5));
        assert_eq!(clone.exec("cat /dev/shm/memory /srv/new"), "shared\nnew");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_container_that_is_removed_at_its_end_comes_back_as_one() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("removed", &["--rm"], COUNT);
    original.exec("echo new > /srv/new");
    ckpt(&["checkpoint", "removed", "-e", text(&archive)]);
    wait_for("podman's removal", || podman(&["ps", "-a", "--format", "{{.Names}}"]).is_empty().then_some(()));
    // The record in the storage goes a moment after podman's own.
    let restore = ["restore", "-i", text(&archive)];
    wait_for("the restore", || run(env!("CARGO_BIN_EXE_ckpt"), &restore).status.success().then_some(()));
    assert_eq!(original.exec("cat /srv/new"), "new");
    assert_eq!(original.inspect("{{.HostConfig.AutoRemove}}"), "true");
    podman(&["stop", "--time", "0", "removed"]);
    wait_for("podman's removal", || podman(&["ps", "-a", "--format", "{{.Names}}"]).is_empty().then_some(()));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_logs_are_kept_if_told_so() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("kept", &[], COUNT);
    let has = |log: &str| std::path::Path::new(&original.inspect("{{.OCIConfigPath}}")).with_file_name(log).exists();
    for keep in [&[][..], &["--keep"][..]] {
        ckpt(&[&["checkpoint", "kept", "-e", text(&archive)], keep].concat());
        assert_eq!(has("dump.log"), !keep.is_empty());
        original.remove();
        ckpt(&[&["restore", "-i", text(&archive)], keep].concat());
        assert_eq!(has("restore.log"), !keep.is_empty());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_clone_can_have_ports_of_its_own() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("ports", &["-p", "18081:80"], COUNT);
    ckpt(&["checkpoint", "ports", "-e", text(&archive), "-R"]);
    let clone = Container::named("ports-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "ports-clone", "--publish", "18082:80"]);
    assert_eq!(podman(&["port", "ports-clone"]), "80/tcp -> 0.0.0.0:18082");
    assert!(original.is_running() && clone.is_running());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn parts_can_be_left_out() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("parts-volume");
    let original = Container::run("parts", &["-v", "parts-volume:/data"], COUNT);
    original.exec("echo changed > /srv/changed; echo volume > /data/file");
    ckpt(&["checkpoint", "parts", "-e", text(&archive), "--ignore-rootfs", "--ignore-volumes", "-R"]);
    let members = succeed("tar", &["-tf", text(&archive)]);
    assert!(!members.contains("rootfs-diff.tar") && !members.contains("volumes/"), "{members}");
    original.checkpoint_and_remove(&archive);
    let clone = Container::named("parts-clone");
    let restore = ["restore", "-i", text(&archive), "--name", "parts-clone", "--ignore-volumes"];
    assert_eq!(clone_of(&restore, &clone).exec("cat /srv/changed /data/file"), "changed\nvolume");
    assert_eq!(volume.tree().len(), 2);
}

fn clone_of<'c>(restore: &[&str], clone: &'c Container) -> &'c Container {
    ckpt(restore);
    clone
}
