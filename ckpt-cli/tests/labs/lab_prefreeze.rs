//! Who freezes first: CRIU finds the container standing still, and nobody leaves it so.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::*;

fn group(container: &Container) -> PathBuf {
    format!("/sys/fs/cgroup{}", container.cgroup()).into()
}

/// "1" for a group that is to stand still.
fn state(group: &Path) -> String {
    fs::read_to_string(group.join("cgroup.freeze")).unwrap().trim().to_owned()
}

fn bundle(container: &Container) -> PathBuf {
    PathBuf::from(container.inspect("{{.OCIConfigPath}}")).parent().unwrap().to_owned()
}

/// CRIU's log says so where it has to freeze and to wait for that (`freeze_processes` in criu/seize.c).
const CRIU_FREEZES: &str = "freezing processes:";

fn criu_finds_it_frozen(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("standing", &["--runtime", runtime], COUNT);
    for options in [&["--leave-running"][..], &[]] {
        let log = bundle(&container).join("dump.log");
        ckpt(&[&["checkpoint", "standing", "-e", text(&archive), "--keep"], options].concat());
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("cgroup.freeze=1") && !log.contains(CRIU_FREEZES), "{log}");
        if !options.is_empty() {
            assert!(container.goes_on());
            assert_eq!(frozen_tasks(&container), Vec::<String>::new());
        }
    }
    container.remove();
    ckpt(&["restore", "-i", text(&archive)]);
    let restored = Container::named("standing");
    assert!(restored.goes_on());
    assert_consecutive(&restored.numbers());
    assert_eq!(state(&group(&restored)), "0");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_criu_finds_the_container_frozen_crun() {
    criu_finds_it_frozen("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_criu_finds_the_container_frozen_runc() {
    criu_finds_it_frozen("runc");
}

const CRIU: &[&str] = &["criu: ", "criu\0swrk", "/usr/sbin/criu\0swrk"];
const RUNTIME: &[&str] = &["/usr/bin/crun\0checkpoint", "/usr/sbin/runc\0", "/usr/bin/runc\0"];
const PODMAN: &[&str] = &["/usr/bin/podman\0container\0checkpoint"];
const GUARD: &[&str] = &["ckpt-thaw\0"];
const CKPT: &[&str] = &[env!("CARGO_BIN_EXE_ckpt")];

fn whoever_is_killed(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("guarded", &["--runtime", runtime], COUNT);
    // podman would wait for the checkpoint to answer.
    let group = group(&container);
    let everyone = [CRIU, RUNTIME, PODMAN, CKPT].concat();
    for (who, titles) in [
        ("CRIU", CRIU),
        ("the runtime", RUNTIME),
        ("podman", PODMAN),
        ("the guard", GUARD),
        ("ckpt", CKPT),
        ("all", &everyone),
    ] {
        let mut hit = 0;
        for _ in 0..3 {
            let mut checkpoint = start_ckpt(&["checkpoint", "guarded", "-e", text(&archive), "--leave-running"]);
            while state(&group) != "1" && checkpoint.try_wait().unwrap().is_none() {}
            hit += kill_all(titles);
            checkpoint.wait().unwrap();
            wait_for("CRIU's end", || run("pidof", &["criu"]).stdout.is_empty().then_some(()));
            wait_for("the guard", || (state(&group) == "0").then_some(()));
            assert!(container.goes_on(), "{runtime}: {who} was killed");
            assert_eq!(frozen_tasks(&container), Vec::<String>::new(), "{runtime}: {who} was killed");
            // A run of its own puts right what else the killed one left.
            ckpt(&["checkpoint", "guarded", "-e", text(&archive), "--leave-running"]);
        }
        assert!(hit > 0, "{who} was never met");
    }
    assert_consecutive(&container.numbers());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_whoever_is_killed_the_container_is_thawed_crun() {
    whoever_is_killed("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_whoever_is_killed_the_container_is_thawed_runc() {
    whoever_is_killed("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_somebody_else_paused_stays_paused() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("paused", &[], COUNT);
    podman(&["pause", "paused"]);
    let said = ckpt_fails(&["checkpoint", "paused", "-e", text(&archive)]);
    assert!(said.contains("paused") && !archive.exists(), "{said}");
    assert_eq!((container.inspect("{{.State.Status}}").as_str(), state(&group(&container)).as_str()), ("paused", "1"));
    podman(&["unpause", "paused"]);
    assert!(container.goes_on());
}
