//! What podman does itself, because it alone can, or because `--fallback` lets it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

fn ckpt_output(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_ckpt"), arguments)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_containers_stop_and_come_back_in_place() {
    let containers = [Container::run("place-one", &[], COUNT), Container::run("place-two", &[], COUNT)];
    for which in [&["place-one", "place-two"][..], &["--all"]] {
        let output = ckpt_output(&[&["checkpoint", "--keep"], which].concat());
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "as quiet as podman");
        assert!(!containers.iter().any(Container::is_running));
        let output = ckpt_output(&[&["restore", "--print-stats", "--verbose"], which].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "Note: without -i there is no archive to clone from: podman itself does it\n");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["container_statistics"].as_array().unwrap().len(), 2, "{json}");
        assert!(containers.iter().all(Container::is_running));
    }
    assert!(containers.iter().all(|container| !container.numbers().is_empty()));
    let output = ckpt_output(&["checkpoint", "nobody"]);
    assert_eq!(output.status.code(), Some(125), "podman's own");
    assert!(String::from_utf8(output.stderr).unwrap().contains("no such container"));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_containers_become_images_and_the_other_way() {
    let original = Container::run("pictured", &[], COUNT);
    original.exec("echo new > /srv/new");
    ckpt(&["checkpoint", "pictured", "--create-image", "localhost/picture"]);
    original.remove();
    ckpt(&["restore", "localhost/picture"]);
    assert_eq!(original.exec("cat /srv/new"), "new");
    // podman leaves what was printed before out of images.
    assert!(original.wait_for_numbers(5)[0] > 1);
    original.remove();
    podman(&["rmi", "localhost/picture"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_memory_in_two_steps_works_or_is_refused() {
    let folder = folder();
    let (pre, archive) = (folder.path().join("pre.tar"), folder.path().join("x.tar"));
    let original = Container::run("twice", &[], COUNT);
    let pre_checkpoint = ["checkpoint", "twice", "--pre-checkpoint", "-e", text(&pre)];
    let with_previous = ["checkpoint", "twice", "--with-previous", "-e", text(&archive)];
    if run("criu", &["check", "--feature", "mem_dirty_track"]).status.success() {
        ckpt(&pre_checkpoint);
        ckpt(&with_previous);
        original.remove();
        let said = ckpt_fails(&["restore", "-i", text(&archive)]);
        assert!(said.contains("--import-previous"), "{said}");
        ckpt(&["restore", "-i", text(&archive), "--import-previous", text(&pre)]);
    } else {
        for arguments in [pre_checkpoint, with_previous] {
            let said = ckpt_fails(&arguments);
            assert!(said.contains("CONFIG_MEM_SOFT_DIRTY") && said.contains("mem_dirty_track"), "{said}");
        }
        assert!(!pre.exists() && !archive.exists());
    }
    assert!(original.is_running());
    assert_consecutive(&original.wait_for_numbers(5));
}

/// podman itself may have large temporary files: they go where the caller wants them, and not into the memory at /run,
/// where another run could remove them.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_podman_itself_has_the_callers_tmpdir() {
    let folder = folder();
    let (bin, notes) = (tempfile::tempdir().unwrap(), folder.path().join("notes"));
    let whole = succeed("sh", &["-c", "command -v podman"]);
    let note = format!("echo \"$1 $2 ${{TMPDIR-none}}\" >> {}", notes.display());
    make_script(&bin.path().join("podman"), &format!("{note}\nexec {whole} \"$@\""));
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let container = Container::run("noted", &["--network", "none"], COUNT);
    let archive = folder.path().join("x.tar");
    for tmpdir in [None, Some(folder.path())] {
        let noted = |arguments: &[&str], word: &str| {
            let _ = fs::remove_file(&notes);
            let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"));
            ckpt.args(arguments).env("PATH", &path).env_remove("TMPDIR");
            tmpdir.map(|tmpdir| ckpt.env("TMPDIR", tmpdir));
            assert!(ckpt.output().unwrap().status.success());
            let words = format!("container {word} ");
            let notes = fs::read_to_string(&notes).unwrap();
            notes.lines().find_map(|line| line.strip_prefix(&words)).unwrap().to_owned()
        };
        let callers = tmpdir.map_or("none", text);
        assert_eq!(noted(&["checkpoint", "noted"], "checkpoint"), callers);
        assert_eq!(noted(&["restore", "noted"], "restore"), callers);
        // As part of a run of ours, it has but small ones, which the next run finds.
        assert_eq!(noted(&["checkpoint", "noted", "-e", text(&archive)], "checkpoint"), "/run/ckpt/sessions/tmp");
        container.remove();
        assert_eq!(noted(&["restore", "-i", text(&archive)], "restore"), "/run/ckpt/sessions/tmp");
    }
}

/// Runs `program` with podman's storage elsewhere, or podman itself elsewhere, as `variable` says.
fn elsewhere(variable: (&str, &str), program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).env(variable.0, variable.1).output().unwrap()
}

fn elsewhere_succeeds(variable: (&str, &str), program: &str, arguments: &[&str]) -> String {
    let output = elsewhere(variable, program, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without `--fallback` nothing happens, and the way out is named.
fn is_refused(variable: (&str, &str), arguments: &[&str], why: &str) {
    let output = elsewhere(variable, env!("CARGO_BIN_EXE_ckpt"), arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("Error: ") && said.lines().count() == 1, "{said}");
    assert!(said.contains(why) && said.contains("--fallback"), "{said}");
}

/// With it, podman does it, and one line says so.
fn falls_back(variable: (&str, &str), arguments: &[&str], why: &str) -> String {
    let output = elsewhere(variable, env!("CARGO_BIN_EXE_ckpt"), &[arguments, &["--fallback"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let warnings: Vec<_> = said.lines().filter(|line| line.starts_with("Warning: ")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains(why), "{said}");
    assert!(warnings[0].contains("podman itself does it"), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checkpoints `name` and restores it, through files and through pipes.
fn round_trips(variable: (&str, &str), folder: &Path, name: &str, why: &str) {
    let archive = folder.join("x.tar");
    let status =
        || elsewhere_succeeds(variable, "podman", &["container", "inspect", "--format", "{{.State.Status}}", name]);
    is_refused(variable, &["checkpoint", name, "-e", text(&archive)], why);
    assert!(status().starts_with("running") && !archive.exists());

    let printed = falls_back(variable, &["checkpoint", name, "-e", text(folder)], why);
    assert_eq!(printed.trim(), name);
    assert!(status().starts_with("exited"));
    elsewhere_succeeds(variable, "podman", &["rm", name]);
    fs::rename(folder.join(format!("{name}.tar")), &archive).unwrap();
    is_refused(variable, &["restore", "-i", text(&archive)], why);
    falls_back(variable, &["restore", "-i", text(&archive)], why);
    assert!(status().starts_with("running"));
}

fn storage_conf(folder: &Path) -> String {
    let (graph, run_root) = (folder.join("graph"), folder.join("run"));
    let conf = folder.join("storage.conf");
    fs::write(&conf, format!("[storage]\ndriver = \"vfs\"\ngraphroot = {graph:?}\nrunroot = {run_root:?}\n")).unwrap();
    text(&conf).to_owned()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_another_storage_driver_is_refused_or_left_to_podman() {
    let folder = folder();
    let conf = storage_conf(folder.path());
    let vfs = ("CONTAINERS_STORAGE_CONF", conf.as_str());
    let root = folder.path().join("rootfs");
    add_busybox(&root, &["busybox"]);
    let import = format!("tar -c -C {} . | podman import - localhost/small", root.display());
    elsewhere_succeeds(vfs, "sh", &["-c", &import]);
    let start = ["run", "-d", "--network", "none", "--name", "vfs", "localhost/small"];
    // Woken by CRIU, a sleep ends early.
    let sleep = ["/busybox", "sh", "-c", "while :; do /busybox sleep 1; done"];
    elsewhere_succeeds(vfs, "podman", &[&start[..], &sleep].concat());

    round_trips(vfs, folder.path(), "vfs", "storage driver is vfs");
    let piped = folder.path().join("piped.tar.gz");
    let script = format!("ckpt=$1; shift; $ckpt checkpoint vfs -e - -c gzip --fallback > {}", piped.display());
    elsewhere_succeeds(vfs, "sh", &["-ec", &script, "sh", env!("CARGO_BIN_EXE_ckpt")]);
    elsewhere_succeeds(vfs, "podman", &["rm", "vfs"]);
    let script = format!("ckpt=$1; shift; gunzip < {} | $ckpt restore -i - --fallback --name clone", piped.display());
    elsewhere_succeeds(vfs, "sh", &["-ec", &script, "sh", env!("CARGO_BIN_EXE_ckpt")]);

    elsewhere_succeeds(vfs, "podman", &["rm", "--force", "--time", "0", "clone"]);
    elsewhere_succeeds(vfs, "podman", &["rmi", "--force", "localhost/small"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_podman_far_away_is_refused_or_asked() {
    let folder = folder();
    let url = format!("unix://{}/podman.sock", folder.path().display());
    let mut service =
        Command::new("podman").args(["system", "service", "--time=0", &url]).stderr(Stdio::null()).spawn().unwrap();
    let remote = ("CONTAINER_HOST", url.as_str());
    wait_for("podman's service", || elsewhere(remote, "podman", &["ps"]).status.success().then_some(()));
    let container = Container::run("far", &[], COUNT);
    container.exec("echo new > /srv/new");
    round_trips(remote, folder.path(), "far", "CONTAINER_HOST");
    assert_eq!(container.exec("cat /srv/new"), "new");
    assert_consecutive(&container.wait_for_numbers(5));
    kill_process(Pid::from_child(&service), Signal::TERM).unwrap();
    service.wait().unwrap();
}
