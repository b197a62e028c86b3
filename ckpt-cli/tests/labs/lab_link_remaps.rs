//! Names that CRIU gives open files for the time of a dump are gone after it, also where CRIU is killed in the middle.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::held::{holding, make_image, wrong};
use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

/// What holds the file has made these itself: another name of it, and a file of its own.
const OWN: [&str; 2] = ["link_remap.5", "link_remap.6"];

/// The container's file systems on the host: its root's and its volume's.
struct Places(Vec<PathBuf>);

impl Places {
    fn of(container: &Container) -> Self {
        let upperdir = container.inspect("{{.GraphDriver.Data.UpperDir}}");
        let volume = podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", "held"]);
        Places(vec![Path::new(&upperdir).join("srv/other-name-left"), volume.into()])
    }

    /// In each of them, what has a name as CRIU gives it and is not the container's.
    fn names_of_criu(&self) -> Vec<PathBuf> {
        let entries = self.0.iter().flat_map(|folder| folder.read_dir().unwrap()).map(|entry| entry.unwrap());
        let is_of_criu = |name: &str| name.starts_with("link_remap.") && !OWN.contains(&name);
        entries.filter(|entry| is_of_criu(entry.file_name().to_str().unwrap())).map(|entry| entry.path()).collect()
    }
}

fn signal(pid: i32, signal: Signal) {
    // CRIU has children that come and go.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// A checkpoint that has come so far that CRIU has made the names and waits for a word of `ckpt`, which stands still: since
/// before CRIU began, or it could be done by now.
fn checkpoint_at_a_halt(places: &Places, archive: &Path) -> Child {
    let marks = tempfile::tempdir().unwrap();
    let [is_there, go_on] = ["is-there", "go-on"].map(|name| marks.path().join(name));
    let waits = format!("touch {}; while ! [ -e {} ]; do sleep 0.01; done", text(&is_there), text(&go_on));
    let bin = broken_criu(&format!("{waits}; exec {} \"$@\"", installed("criu")));
    let running = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", "holding", "-e", text(archive)])
        .env("PATH", format!("{}:{}", text(bin.path()), std::env::var("PATH").unwrap()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("CRIU", || is_there.exists().then_some(()));
    signal(running.id().cast_signed(), Signal::STOP);
    std::fs::write(go_on, "").unwrap();
    wait_for("CRIU to make the names", || (places.names_of_criu().len() == 2).then_some(()));
    // Before it has left the tasks, a killed CRIU costs them their lives.
    wait_for("CRIU's call", || run("pgrep", &["--full", "ckpt-hook"]).status.success().then_some(()));
    running
}

fn kill_criu() {
    for pid in String::from_utf8(run("pidof", &["criu"]).stdout).unwrap().split_whitespace() {
        signal(pid.parse().unwrap(), Signal::KILL);
    }
}

/// Holds the files, and has made names of CRIU's form itself.
fn container_with_own(runtime: &str) -> (Container, Places) {
    let container =
        holding(&["--runtime", runtime, "-v", "held:/data"], &["other-name-left", "other-name-left-volume"]);
    container.exec("cd /srv/other-name-left && busybox ln b link_remap.5 && echo own > link_remap.6");
    let places = Places::of(&container);
    (container, places)
}

/// A checkpoint of a new container, in which `kill` kills CRIU when that has made its names.
fn cut_short(runtime: &str, archive: &Path, kill: impl FnOnce(&mut Child)) -> (Container, Volume, Child) {
    let volume = Volume::named("held");
    let (container, places) = container_with_own(runtime);
    let mut running = checkpoint_at_a_halt(&places, archive);
    kill(&mut running);
    assert_eq!(places.names_of_criu().len(), 2, "{runtime}: nobody else removes them");
    (container, volume, running)
}

fn assert_own_are_there(container: &Container) {
    let names = container.exec("ls /srv/other-name-left /data");
    assert_eq!(names, "/data:\nb\n\n/srv/other-name-left:\nb\nlink_remap.5\nlink_remap.6");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_names_that_a_killed_criu_left_are_removed_and_no_others() {
    make_image();
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for runtime in RUNTIMES {
        let (container, volume, running) = cut_short(runtime, &archive, |_| kill_criu());
        signal(running.id().cast_signed(), Signal::CONT);
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("keeps running") && !said.contains("Warning"), "{said}");
        assert_own_are_there(&container);
        container.remove();
        volume.remove();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_next_run_removes_them_when_ckpt_was_killed_too() {
    make_image();
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for runtime in RUNTIMES {
        let (container, volume, _) = cut_short(runtime, &archive, |ckpt| {
            signal(ckpt.id().cast_signed(), Signal::KILL);
            kill_criu();
            ckpt.wait().unwrap();
        });
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        assert_own_are_there(&container);
        ckpt(&["checkpoint", "holding", "-e", text(&archive)]);
        container.remove();
        volume.remove();
        ckpt_restores(&archive, &container);
        container.remove();
        Volume::named("held").remove();
        std::fs::remove_file(&archive).unwrap();
    }
}

fn ckpt_restores(archive: &Path, container: &Container) {
    ckpt(&["restore", "-i", text(archive)]);
    assert_eq!(wrong(container), ["other-name-left wrong"], "it has more names in its folder than it made");
    assert_own_are_there(container);
}
