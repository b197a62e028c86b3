//! What bears the names of a restore's container and volumes, but is somebody else's, is left to him, and what is the
//! restore's own is removed: whoever made it first, and whenever `ckpt` is killed.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::lab::*;

fn assert_nothing_is_there() {
    assert_eq!(podman(&["ps", "--all", "--external", "--format", "{{.Names}}"]), "");
    assert_eq!(podman(&["volume", "ls", "--format", "{{.Name}}"]), "");
}

/// podman's words for it, "address already in use", are nearly those for a name that is taken.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_restore_whose_host_port_is_taken_leaves_nothing() {
    let folder = folder();
    let archive =
        archive_of_web(folder.path(), &["--network", "podman", "-p", "8081:80"], &["data"], "echo ours > /data/file");
    let before = World::at_rest(folder.path());
    let arguments = ["restore", "-i", &archive, "-n", "w2", "-p", "8080:80"];
    let taken = TcpListener::bind("0.0.0.0:8080").unwrap();
    let said = ckpt_fails(&arguments);
    assert!(said.contains("host port"), "{said}");
    assert_nothing_is_there();
    before.assert_same(folder.path());
    drop(taken);
    ckpt(&arguments);
    let (restored, _volume) = (Container::named("w2"), Volume::named("data"));
    assert_eq!(restored.exec("cat /data/file"), "ours");
}

fn make_by_hand() -> (Container, Volume) {
    podman(&["volume", "create", "data"]);
    podman(&["create", "--name", "web", "-v", "data:/data", IMAGE, "true"]);
    let (container, volume) = (Container::named("web"), Volume::named("data"));
    fs::write(file_in(&volume), "theirs").unwrap();
    (container, volume)
}

fn file_in(volume: &Volume) -> std::path::PathBuf {
    Path::new(&podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume.name])).join("file")
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_is_made_by_hand_after_a_kill_stays() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "none"], &["data"], "echo ours > /data/file");
    for options in [&[][..], &["--name", "web"]] {
        let arguments = [&["restore", "-i", &archive], options].concat();
        let held = Held::at("podman", "volume create");
        let mut ckpt = held.start(&arguments);
        let podman_at_volume = held.reached();
        kill(&mut ckpt, &[podman_at_volume]);
        let (container, volume) = make_by_hand();
        let id = container.inspect("{{.Id}}");
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        assert_eq!(container.inspect("{{.Id}}"), id);
        assert_eq!(fs::read_to_string(file_in(&volume)).unwrap(), "theirs");
        container.remove();
        // A volume that no container has use for as well.
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        assert_eq!(fs::read_to_string(file_in(&volume)).unwrap(), "theirs");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_volume_that_podman_made_for_a_killed_run_goes() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "none"], &["data"], "echo ours > /data/file");
    let held = Held::at("podman", "volume create");
    let mut ckpt = held.start(&["restore", "-i", &archive]);
    held.reached();
    kill(&mut ckpt, &[]);
    // For as long as podman is at it, nobody knows what becomes of it.
    ckpt_fails(&["restore", "-i", "/nonexistent"]);
    held.let_go();
    wait_for("the volume", || run("podman", &["volume", "exists", "data"]).status.success().then_some(()));
    wait_for("the next run to remove it", || {
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        (!run("podman", &["volume", "exists", "data"]).status.success()).then_some(())
    });
    assert_nothing_is_there();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_is_made_by_hand_meanwhile_stays() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "none"], &["data"], "echo ours > /data/file");
    for options in [&[][..], &["--name", "web"]] {
        let held = Held::at("podman", "volume create");
        let mut ckpt = held.start(&[&["restore", "-i", &archive], options].concat());
        held.reached();
        let (container, volume) = make_by_hand();
        let id = container.inspect("{{.Id}}");
        held.let_go();
        assert!(!ckpt.wait().unwrap().success());
        assert_eq!(podman(&["ps", "--all", "--external", "--no-trunc", "--format", "{{.ID}}"]), id);
        assert_eq!(fs::read_to_string(file_in(&volume)).unwrap(), "theirs");
    }
}

/// Starts CRIU by hand, without pipes that one in the background would hold open.
fn criu_by_hand(arguments: &[&str]) -> Child {
    let mut criu = Command::new("criu");
    criu.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A page server in the container's own bundle, and a dump of another process, while a killed checkpoint of the container
/// is put right.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_administrators_criu_is_left_alone() {
    let folder = folder();
    let container = Container::run("served", &[], COUNT);
    let bundle = container.inspect("{{.OCIConfigPath}}").replace("config.json", "byhand");
    let [pid, images, script, reached, go] =
        ["pid", "images", "script", "reached", "go"].map(|name| folder.path().join(name).display().to_string());
    fs::create_dir(&bundle).unwrap();
    // It forks itself into the background, as what a dead CRIU leaves is a fork.
    let mut server = criu_by_hand(&["page-server", "--daemon", "--pidfile", &pid, "--port", "12999", "-D", &bundle]);
    assert!(server.wait().unwrap().success());
    let server = fs::read_to_string(&pid).unwrap().trim().to_owned();

    fs::create_dir(&images).unwrap();
    let wait = format!("touch {reached}; until [ -e {go} ]; do sleep 0.01; done");
    fs::write(&script, format!("#!/bin/sh\n[ $CRTOOLS_SCRIPT_ACTION != post-dump ] || {{ {wait}; }}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut dumped = Command::new("setsid");
    dumped.args(["sleep", "1000"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut dumped = dumped.spawn().unwrap();
    let target = dumped.id().to_string();
    let mut dump =
        criu_by_hand(&["dump", "-t", &target, "-D", &images, "-o", "dump.log", "-v4", "--action-script", &script]);
    wait_for("the dump by hand", || {
        let log = || fs::read_to_string(format!("{images}/dump.log"));
        assert!(dump.try_wait().unwrap().is_none(), "{:?}", log());
        Path::new(&reached).exists().then_some(())
    });

    let archive = folder.path().join("x.tar");
    let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", "served", "-e", text(&archive)])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("podman", || run("pgrep", &["-f", "podman container checkpoint"]).status.success().then_some(()));
    kill(&mut ckpt, &[]);
    ckpt_fails(&["restore", "-i", "/nonexistent"]);
    assert!(run("kill", &["-0", &server]).status.success());
    succeed("kill", &["-KILL", &server]);
    fs::write(&go, "").unwrap();
    assert!(dump.wait().unwrap().success());
    dumped.wait().unwrap();
    if !container.goes_on() {
        container.restore_in_place();
    }
    assert_consecutive(&container.numbers());
}
