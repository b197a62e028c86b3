//! Full, limited, broken and vanished disks: the container is there afterwards, and no half of an archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::lab::*;

fn counting(name: &str, bytes: u64) -> Container {
    let container = Container::run(name, &[], COUNT);
    container.exec(&format!("head -c {bytes} /dev/urandom > /srv/large"));
    container
}

/// The container counts on, and no number is missing.
fn assert_counts(container: &Container) {
    assert!(container.is_running());
    let count = container.numbers().len();
    assert_consecutive(&container.wait_for_numbers(count + 1));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_target_that_gets_full_at_any_stage_costs_no_container() {
    let container = counting("filling", 2_000_000);
    let target = Mounted::tmpfs("size=6M");
    let archive = target.path().join("x.tar");
    let mut outcomes = [0, 0];
    for (step, options) in (0..10).flat_map(|step| [(step, "none"), (step, "gzip")]) {
        let filler = target.fill_up_to(step * 400_000);
        let output =
            run(env!("CARGO_BIN_EXE_ckpt"), &["checkpoint", "filling", "-R", "-e", text(&archive), "-c", options]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), archive.exists(), "{said}");
        outcomes[usize::from(output.status.success())] += 1;
        if archive.exists() {
            ckpt(&["verify", text(&archive)]);
            fs::remove_file(&archive).unwrap();
        } else {
            assert!(said.to_lowercase().contains("no space left") && said.contains("keeps running"), "{said}");
        }
        fs::remove_file(filler).unwrap();
        assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
        assert_counts(&container);
    }
    assert!(outcomes.iter().all(|&count| count > 0), "failed, succeeded: {outcomes:?}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_container_is_restored_in_place_or_kept_stopped() {
    let container = counting("delivered", 3_000_000);
    let target = Mounted::tmpfs("size=1M");
    let archive = target.path().join("x.tar");
    let arguments = ["checkpoint", "delivered", "-e", text(&archive), "--compress", "gzip"];
    let said = ckpt_fails(&arguments);
    assert!(said.contains("was restored and runs"), "{said}");
    assert_counts(&container);
    let said = ckpt_fails(&[&arguments[..], &["--keep-stopped"]].concat());
    let way_back = format!("kept stopped: `podman container restore {}`", container.inspect("{{.Id}}"));
    assert!(said.contains(&way_back), "{said}");
    assert_eq!(container.inspect("{{.State.Status}}"), "exited");
    podman(&["container", "restore", "delivered"]);
    assert_counts(&container);
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_quota_read_only_and_vanished_targets_are_named() {
    let container = counting("limited", 3_000_000);
    let folder = folder();
    let subvolume = folder.path().join("limited");
    succeed("btrfs", &["subvolume", "create", text(&subvolume)]);
    succeed("btrfs", &["quota", "enable", text(folder.path())]);
    succeed("btrfs", &["qgroup", "limit", "1M", text(&subvolume)]);
    let archive = subvolume.join("x.tar");
    let said = ckpt_fails(&["checkpoint", "limited", "-e", text(&archive)]);
    succeed("btrfs", &["quota", "disable", text(folder.path())]);
    assert!(said.contains("quota exceeded") || said.contains("Disk quota"), "{said}");
    assert!(!archive.exists() && fs::read_dir(&subvolume).unwrap().count() == 0);
    succeed("btrfs", &["subvolume", "delete", text(&subvolume)]);
    assert_counts(&container);

    let read_only = Mounted::tmpfs("ro,size=1M");
    let said = ckpt_fails(&["checkpoint", "limited", "-e", text(&read_only.path().join("x.tar"))]);
    assert!(said.contains("Read-only file system"), "{said}");
    assert_counts(&container);

    let vanishing = folder.path().join("vanishing");
    fs::create_dir(&vanishing).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", "limited", "-e", text(&vanishing.join("x.tar"))])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let criu = HeldCriu::met();
    fs::remove_dir(&vanishing).unwrap();
    drop(criu);
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("No such file") && said.contains("was restored and runs"), "{said}");
    assert_counts(&container);
}

/// A thin device that is full: the file system believes in more blocks than there are, and is told only when it writes
/// them to the device.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_full_thin_device_costs_no_container() {
    let container = counting("thin", 40_000_000);
    let pool = Mounted::tmpfs("size=16M");
    let thin = Mounted::ext4(&pool.path().join("image"), 200 << 20);
    let archive = thin.path().join("x.tar");
    let said = ckpt_fails(&["checkpoint", "thin", "-e", text(&archive)]);
    // Which of the two depends on what the loop device makes of it.
    assert!(said.contains("Input/output error") || said.contains("No space left on device"), "{said}");
    assert!(said.contains("sync") && said.contains("was restored and runs"), "{said}");
    assert!(!archive.exists());
    assert_counts(&container);
}

/// podman's storage on a small file system, apart from the lab's.
struct SmallStorage {
    mounted: Mounted,
    conf: PathBuf,
}

impl SmallStorage {
    fn new(folder: &Path) -> Self {
        SmallStorage::on(Mounted::ext4(&folder.join("small.img"), 200 << 20), folder)
    }

    fn on(mounted: Mounted, folder: &Path) -> Self {
        let conf = folder.join("storage.conf");
        let (graph, run_root) = (mounted.path().join("graph"), folder.join("run"));
        fs::write(&conf, format!("[storage]\ndriver = \"overlay\"\ngraphroot = {graph:?}\nrunroot = {run_root:?}\n"))
            .unwrap();
        let small = SmallStorage { mounted, conf };
        let saved = folder.join("image.tar");
        podman(&["save", "--quiet", "--output", text(&saved), IMAGE]);
        small.podman(&["load", "--quiet", "--input", text(&saved)]);
        fs::remove_file(saved).unwrap();
        small
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program).args(arguments).env("CONTAINERS_STORAGE_CONF", &self.conf).output().unwrap()
    }

    fn podman(&self, arguments: &[&str]) -> String {
        let output = self.run("podman", arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn status(&self, name: &str) -> String {
        self.podman(&["container", "inspect", "--format", "{{.State.Status}}", name])
    }
}

impl Drop for SmallStorage {
    fn drop(&mut self) {
        self.run("podman", &["rm", "--all", "--force", "--time", "0"]);
        self.run("umount", &[text(&self.mounted.path().join("graph/overlay"))]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_storage_that_gets_full_at_any_stage_costs_no_container() {
    let folder = folder();
    let small = SmallStorage::new(folder.path());
    small.podman(&["run", "-d", "--name", "small", "--network", "none", IMAGE, "sh", "-c", COUNT]);
    let (archive, whole) = (folder.path().join("x.tar"), folder.path().join("whole.tar"));
    let mut outcomes = [0, 0];
    for step in 0..12 {
        let filler = small.mounted.fill_up_to(step * 60_000);
        let output = small.run(env!("CARGO_BIN_EXE_ckpt"), &["checkpoint", "small", "-e", text(&archive)]);
        fs::remove_file(filler).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), archive.exists(), "{said}");
        outcomes[usize::from(output.status.success())] += 1;
        if small.status("small") != "running" {
            small.podman(&["container", "cleanup", "small"]);
            small.podman(&["container", "restore", "small"]);
        } else {
            assert!(said.contains("runs") || said.contains("keeps running") || !output.status.success(), "{said}");
        }
        if archive.exists() {
            ckpt(&["verify", text(&archive)]);
            fs::rename(&archive, &whole).unwrap();
        }
    }
    assert!(outcomes.iter().all(|&count| count > 0), "failed, succeeded: {outcomes:?}");

    small.podman(&["rm", "--force", "--time", "0", "small"]);
    let mut outcomes = [0, 0];
    for step in 0..12 {
        let filler = small.mounted.fill_up_to(step * 60_000);
        let output = small.run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", text(&whole)]);
        fs::remove_file(filler).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        outcomes[usize::from(output.status.success())] += 1;
        if output.status.success() {
            assert_eq!(small.status("small"), "running");
            small.podman(&["rm", "--force", "--time", "0", "small"]);
        } else {
            // With space again, the next run removes what could not be.
            small.run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", "/nonexistent"]);
            assert_eq!(small.podman(&["ps", "--all", "--external", "--format", "{{.Names}}"]), "", "{said}");
        }
    }
    assert!(outcomes.iter().all(|&count| count > 0), "failed, succeeded: {outcomes:?}");
}

/// What comes through a pipe has to be taken in before it can be looked at.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_stream_without_end_does_not_fill_the_storage() {
    let folder = folder();
    let small = SmallStorage::new(folder.path());
    let free = || {
        let stat = rustix::fs::statvfs(small.mounted.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    let before = free();
    let header = "truncate -s 8G large; tar -cf - large | head -c 512";
    let stream =
        format!("cd {}; {{ {header}; yes; }} | {} restore -i -", text(folder.path()), env!("CARGO_BIN_EXE_ckpt"));
    let output = small.run("sh", &["-c", &stream]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("checked before it may take more in"), "{said}");
    assert!(said.contains("decompress it to a file elsewhere"), "{said}");
    // Some KiB of podman's own.
    assert!(free() + (1 << 20) > before, "{} of {before} bytes are left", free());
}

/// A file that would be cloned beside the storage is copied straight to the archive, and before the freeze.
fn is_copied_where_it_cannot_be_staged(mkfs: &str, target: &Mounted, folder: &Path) {
    let small = SmallStorage::on(Mounted::made_by(mkfs, &folder.join("small.img"), 400 << 20), folder);
    small.podman(&["run", "-d", "--name", "crowded", "--network", "none", IMAGE, "sh", "-c", COUNT]);
    small.podman(&["exec", "crowded", "sh", "-c", "head -c 20000000 /dev/urandom > /srv/large"]);
    let sum = || small.podman(&["exec", "crowded", "md5sum", "/srv/large"]);
    let (archive, before) = (target.path().join("x.tar"), sum());
    let checkpoint = || {
        let arguments = ["checkpoint", "crowded", "-R", "-e", text(&archive), "--print-stats"];
        let output = small.run(env!("CARGO_BIN_EXE_ckpt"), &arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let statistics = statistics(&String::from_utf8(output.stdout).unwrap());
        (
            ["capture_cloned_bytes", "capture_copied_bytes", "copied_bytes"]
                .map(|field| statistics[field].as_u64().unwrap()),
            said,
        )
    };
    let filler = small.mounted.fill_up_to(24 << 20);
    let ([cloned, copied_in_freeze, copied], said) = checkpoint();
    assert!(said.contains("no room to make the archive beside the container storage"), "{said}");
    // What the kernel has dropped from memory meanwhile is written anew in the freeze.
    assert!(
        cloned == 0 && copied_in_freeze < 10_000_000 && copied >= 20_000_000,
        "{cloned} {copied_in_freeze} {copied}"
    );
    fs::remove_file(filler).unwrap();
    small.podman(&["rm", "--force", "--time", "0", "crowded"]);
    assert!(small.run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", text(&archive)]).status.success());
    assert_eq!(sum(), before);
    let ([cloned, ..], said) = checkpoint();
    assert!(cloned >= 19_000_000 && said.is_empty(), "{cloned} {said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_where_there_is_no_room_to_stage_files_are_copied_in_passes() {
    let folder = folder();
    is_copied_where_it_cannot_be_staged("mkfs.btrfs -q -f", &Mounted::tmpfs("size=100M"), folder.path());
    let ext4 = Mounted::ext4(&folder.path().join("target.img"), 100 << 20);
    is_copied_where_it_cannot_be_staged("mkfs.xfs -q -f", &ext4, folder.path());
}
