//! After a failure the message says what the same container does, and the archive of one that is gone is kept.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::lab::*;

/// A folder with a `criu` that kills podman as soon as it has dumped the container whose first process is `pid`.
fn criu_that_ends_podman(pid: &str) -> tempfile::TempDir {
    let criu = installed("criu");
    let lives = format!("grep -q '^State:.[RSDTt]' /proc/{pid}/status 2> /dev/null");
    let ends = format!("{lives} || pkill -KILL -f '^[^ ]*podman container checkpoint'");
    broken_criu(&format!("{criu} \"$@\"\n{ends}"))
}

/// Whether it was started anew, or else goes on with its numbers.
fn was_started_anew(container: &Container, pid: &str) -> bool {
    assert!(container.goes_on());
    assert_ne!(container.inspect("{{.State.Pid}}"), pid);
    container.numbers().iter().filter(|&&number| number == 1).count() == 2
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_is_another_one_now_does_not_keep_running() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for (runtime, policy) in RUNTIMES.into_iter().zip(["always", "unless-stopped"]) {
        let container = Container::run("faithful", &["--runtime", runtime, "--restart", policy], COUNT);
        let pid = container.inspect("{{.State.Pid}}");
        let bin = criu_that_ends_podman(&pid);
        let said = ckpt_fails_with(bin.path(), &["checkpoint", "faithful", "-e", text(&archive)]);
        let word = match was_started_anew(&container, &pid) {
            true => "has ended and was started anew by podman's restart policy",
            false => "the container was restored and runs",
        };
        assert!(said.contains(word) && !archive.exists(), "{said}");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_ends_meanwhile_has_ended() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("mortal", &[], COUNT);
    for _ in 0..10 {
        let output = checkpoint_of_one_that_is_killed("mortal", &archive);
        if output.status.success() {
            // CRIU had all of it by then.
            fs::remove_file(&archive).unwrap();
            podman(&["container", "restore", "mortal"]);
            continue;
        }
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the container has ended"), "{said}");
        return assert!(!container.is_running() && !archive.exists());
    }
    panic!("CRIU was always faster");
}

/// podman holds the container: this is somebody's, or the kernel's, kill, while CRIU dumps.
fn checkpoint_of_one_that_is_killed(name: &str, archive: &Path) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", name, "-e", text(archive)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let criu = HeldCriu::at("criu: dump");
    succeed(
        "sh",
        &[
            "-c",
            "kill -KILL $(cat /sys/fs/cgroup/$(ls /sys/fs/cgroup | grep libpod_parent)/libpod-*/cgroup.procs \
        $(ls -d /sys/fs/cgroup/*/libpod-*/container 2>/dev/null | sed 's,$,/cgroup.procs,') 2>/dev/null) || :",
        ],
    );
    drop(criu);
    child.wait_with_output().unwrap()
}

/// Checkpoints the container with an archive in a folder that is gone when it is to get its name, and `meanwhile` something
/// else happens; gives what is said of that.
fn checkpoint_into_nowhere(container: &Container, parent: &Path, meanwhile: impl FnOnce()) -> String {
    let vanishing = parent.join("vanishing");
    fs::create_dir(&vanishing).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", &container.name, "-e", text(&vanishing.join("x.tar"))])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let criu = HeldCriu::met();
    fs::remove_dir(&vanishing).unwrap();
    meanwhile();
    drop(criu);
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

/// `podman run --rm`: once it has stopped, podman knows nothing of it.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_archive_of_a_container_that_is_gone_is_kept() {
    let folder = folder();
    let elsewhere = tempfile::tempdir().unwrap();
    for parent in [folder.path(), elsewhere.path()] {
        let container = Container::run("fleeting", &["--rm"], COUNT);
        let said = checkpoint_into_nowhere(&container, parent, || ());
        let (_, way_back) = said.split_once("`ckpt restore -i ").expect(&said);
        let kept = way_back.split_once('`').unwrap().0;
        ckpt(&["verify", kept]);
        ckpt(&["restore", "-i", kept]);
        assert_consecutive(&container.numbers());
        fs::remove_file(kept).unwrap();
        container.remove();
    }
}

/// What nobody can do is not advised.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_is_lost_is_said_to_be_lost() {
    let folder = folder();
    let container = Container::run("lost", &["--rm"], COUNT);
    let graph_root = podman(&["info", "--format", "{{.Store.GraphRoot}}"]);
    let in_the_way = Path::new(&graph_root).join(format!("ckpt-rescue-{}.tar", container.inspect("{{.Id}}")));
    let said = checkpoint_into_nowhere(&container, folder.path(), || fs::create_dir(&in_the_way).unwrap());
    fs::remove_dir(&in_the_way).unwrap();
    assert!(said.contains("podman has removed the container"), "{said}");
    assert!(said.contains("the archive is whole, and cannot be kept") && said.contains(text(&in_the_way)), "{said}");
    assert!(!said.contains("`podman container restore"), "{said}");
}

/// podman's description of the container is known only once podman has stopped it.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_a_restore_would_refuse_is_brought_back() {
    let folder = folder();
    let [archive, labels] = ["x.tar", "labels"].map(|name| folder.path().join(name));
    let lines: Vec<String> = (0..100).map(|number| format!("label{number}={}\n", "x".repeat(50_000))).collect();
    fs::write(&labels, lines.concat()).unwrap();
    let container = Container::run("wordy", &["--label-file", text(&labels)], COUNT);
    let said = ckpt_fails(&["checkpoint", "wordy", "-e", text(&archive)]);
    let words =
        ["a restore would refuse config.dump", "at most 4194304 are accepted", "the container was restored and runs"];
    assert!(words.iter().all(|word| said.contains(word)) && !archive.exists(), "{said}");
    assert!(container.goes_on());
    assert_consecutive(&container.numbers());
}
