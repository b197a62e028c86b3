//! Network namespaces that look as if a killed restore had left them, and are somebody's.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

/// Kills a restore that was at work when `make` made something.
fn killed_restore<T>(archive: &str, make: impl FnOnce() -> T) -> T {
    let held = Held::at("podman", "volume create");
    let mut ckpt = held.start(&["restore", "-i", archive]);
    let podman = held.reached();
    let made = make();
    // However long that took, the restore says that it lives.
    File::options().append(true).open(journal().unwrap()).unwrap().set_modified(SystemTime::now()).unwrap();
    kill(&mut ckpt, &[&podmans_of_ckpt()[..], &[podman]].concat());
    made
}

fn journal() -> Option<PathBuf> {
    let entries = fs::read_dir("/var/lib/containers/storage").unwrap().flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("ckpt-restore-"))
}

fn network_namespaces() -> Vec<PathBuf> {
    fs::read_dir("/run/netns").into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// All that run in a container, and what watches it, killed: podman has still noted the network namespace, and nobody is in
/// it.
fn kill_all_of(container: &Container) {
    for template in ["{{.State.ConmonPid}}", "{{.State.Pid}}"] {
        let pid = Pid::from_raw(container.inspect(template).parse().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_podman_that_does_not_answer_costs_no_network_namespace() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "podman"], &["data"], ":");
    let bystander = killed_restore(&archive, || Container::run("bystander", &["--network", "podman"], COUNT));
    let [namespace] = &network_namespaces()[..] else { panic!("{:?}", network_namespaces()) };
    kill_all_of(&bystander);
    for unanswered in ["ps", "container inspect --format"] {
        let podman = Held::at("podman", unanswered);
        // It tells nothing, or half of it.
        fs::write(podman.path(), fs::read_to_string(podman.path()).unwrap().replace("echo $$", "exit 125; echo"))
            .unwrap();
        let output = podman.start(&["restore", "-i", "/nonexistent"]).wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("what it had made cannot be removed: a network namespace"), "{unanswered}: {said}");
        assert!(namespace.exists() && journal().is_some(), "{unanswered}: {said}");
    }
    ckpt_fails(&["restore", "-i", "/nonexistent"]);
    assert!(namespace.exists() && journal().is_none());
    // podman finds out at the first attempt that nobody is left.
    let removal = ["rm", "--force", "--time", "0", &bystander.name];
    wait_for("podman to remove it", || run("podman", &removal).status.success().then_some(()));
}

/// A store of its own, for `podman --root`.
struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    fn options(&self) -> Vec<String> {
        let [root, run_root] = ["graph", "run"].map(|name| self.folder.path().join(name).display().to_string());
        ["--root", &root, "--runroot", &run_root].map(str::to_owned).to_vec()
    }

    fn podman(&self, arguments: &[&str]) -> String {
        let options = self.options();
        let options = options.iter().map(String::as_str).collect::<Vec<_>>();
        podman(&[&options, arguments].concat())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        run(
            "podman",
            &[&self.options().iter().map(String::as_str).collect::<Vec<_>>()[..], &["rm", "-fa", "-t0"]].concat(),
        );
        let _ = Command::new("umount").arg(self.folder.path().join("graph/overlay")).output();
    }
}

/// Another store's podman has made a network namespace, and its container is about to live in it.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_another_stores_network_namespace_is_left_to_it() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "podman"], &["data"], ":");
    // podman needs it to remove the container: it goes after the store.
    let runtime = Held::at("crun", "create");
    let store = Store { folder: crate::lab::folder() };
    let image = folder.path().join("image.tar");
    podman(&["save", "--quiet", "--output", text(&image), IMAGE]);
    store.podman(&["load", "--quiet", "--input", text(&image)]);
    let mut other = killed_restore(&archive, || {
        let options = store.options();
        let start = ["run", "-d", "--name", "other", "--network", "podman", IMAGE, "sleep", "1000"];
        let mut other = Command::new("podman");
        other.args(&options).args(["--runtime", &runtime.path()]).args(start).stdout(Stdio::null());
        let other = other.spawn().unwrap();
        runtime.reached();
        other
    });
    let [namespace] = &network_namespaces()[..] else { panic!("{:?}", network_namespaces()) };

    let unheld = Held::at("podman", "--never");
    let mut next = unheld.start(&["restore", "-i", "/nonexistent"]);
    let mut said = BufReader::new(next.stderr.take().unwrap()).lines();
    let told = said.find(|line| line.as_ref().unwrap().contains("waiting for its end")).unwrap().unwrap();
    assert!(told.contains("(podman) may be about to use a network namespace"), "{told}");
    kill_process(Pid::from_child(&next), Signal::INT).unwrap();
    assert_eq!(next.wait().unwrap().code(), Some(1));
    assert!(namespace.exists() && journal().is_some());

    runtime.let_go();
    assert!(other.wait().unwrap().success());
    ckpt_fails(&["restore", "-i", "/nonexistent"]);
    assert!(namespace.exists() && journal().is_none());
    assert!(store.podman(&["exec", "other", "ip", "address"]).contains("eth0"));
}
