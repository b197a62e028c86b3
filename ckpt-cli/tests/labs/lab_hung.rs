//! Programs that hang: Ctrl-C ends the wait for them, nothing is lost, and nothing is left that does not go with the next
//! run.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn lives(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

/// A run of `ckpt` with `arguments`, interrupted while it waits for `program`, which is to do `what`.
fn assert_interrupted_at(program: &str, what: &str, arguments: &[&str]) {
    let held = Held::at(program, what);
    let ckpt = held.start(arguments);
    let pid = held.reached();
    interrupt(ckpt);
    assert!(!lives(pid), "{program} {what}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_ends_programs_that_only_tell() {
    let folder = folder();
    let (archive, archives) = (folder.path().join("x.tar"), format!("{}/", text(folder.path())));
    let container = Container::run("untold", &["--runtime", "runc"], COUNT);
    let checkpoint = &["checkpoint", "untold", "-e", text(&archive)][..];
    for (program, what, arguments) in [
        ("podman", "--version", checkpoint),
        ("podman", "container inspect", checkpoint),
        ("podman", "info", &["doctor", text(folder.path())]),
        ("podman", "--version", &["doctor", text(folder.path())]),
        ("podman", "ps", &["checkpoint", "--all", "-e", &archives]),
        ("podman", "ps", &["checkpoint", "--latest", "-e", text(&archive)]),
        ("podman", "container inspect", &["checkpoint", "untold"]),
        ("criu", "--version", checkpoint),
        ("criu", "--version", &["doctor", text(folder.path())]),
        ("criu", "check", &["doctor", text(folder.path())]),
        ("criu", "--feature", &["doctor", text(folder.path())]),
        ("criu", "--feature", &["checkpoint", "untold", "--pre-checkpoint", "-e", text(&archive)]),
        ("criu", "--feature", &["checkpoint", "untold", "--with-previous", "-e", text(&archive)]),
        ("runc", "--version", checkpoint),
        ("crun", "--version", &["doctor", text(folder.path())]),
    ] {
        assert_interrupted_at(program, what, arguments);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{program} {what}");
    }
    assert!(container.goes_on());
    assert_consecutive(&container.numbers());
}

/// A failed dump has `criu check` asked for the reason.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_ends_the_search_for_a_reason() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("reasonless", &[], COUNT);
    let held = Held::at("criu", "check");
    // For the runtime, CRIU fails without a word.
    let fails = "[ \"$1\" != swrk ] || [ $(cat /proc/$PPID/comm) = podman ] || exit 1";
    let script = fs::read_to_string(held.path()).unwrap();
    fs::write(held.path(), script.replace("exec ", &format!("{fails}\nexec "))).unwrap();
    let ckpt = held.start(&["checkpoint", "reasonless", "-e", text(&archive)]);
    let pid = held.reached();
    kill_process(Pid::from_child(&ckpt), Signal::INT).unwrap();
    let said = String::from_utf8(ckpt.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("keeps running"), "{said}");
    assert!(!lives(pid) && container.goes_on() && !archive.exists());
}

/// Of a container `web`: one with a file, and one that is empty.
const VOLUMES: [&str; 2] = ["data", "empty"];

fn assert_restores(archive: &str) {
    ckpt(&["restore", "-i", archive]);
    let (web, _volumes) = (Container::named("web"), VOLUMES.map(Volume::named));
    assert_eq!(web.exec("cat /data/file"), "ours");
    assert!(web.goes_on());
    assert_consecutive(&web.numbers());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_ends_the_making_of_volumes() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &[], &VOLUMES, "echo ours > /data/file");
    let before = World::at_rest(folder.path());
    // They are made, and used for the first time.
    for what in ["volume create", "run --rm"] {
        assert_interrupted_at("podman", what, &["restore", "-i", &archive]);
        before.assert_same(folder.path());
    }
    assert_restores(&archive);
}

/// What undoes is not interrupted; that is said to who waits for it.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_end_that_takes_long_is_told_of() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &[], &VOLUMES, "echo ours > /data/file");
    let before = World::at_rest(folder.path());
    let held = Held::at("podman", "volume inspect '*|*' rm --force");
    let mut ckpt = held.start(&["restore", "-i", &archive]);
    let asked = held.reached();
    kill_process(Pid::from_child(&ckpt), Signal::INT).unwrap();
    let said = told(&mut ckpt, "still at work");
    assert!(said.contains("a second Ctrl-C"), "{said}");
    wait_for("what undoes", || (held.reached() != asked).then_some(()));
    held.let_go();
    assert_eq!(ckpt.wait().unwrap().code(), Some(1));
    drop(held);
    before.assert_same(folder.path());
}

/// Kills a restore while CRIU restores, and has CRIU stand still: podman knows a container that never ran, and the runtime
/// has processes of it.
fn kill_at_criu(archive: &str) -> HeldCriu {
    let held = Held::at("podman", "--never");
    let mut ckpt = held.start(&["restore", "-i", archive]);
    let criu = HeldCriu::at("criu: restore");
    kill(&mut ckpt, &podmans_of_ckpt());
    criu
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_ends_a_runtimes_delete_and_the_next_run_does_it() {
    let folder = folder();
    for runtime in RUNTIMES {
        let archive = archive_of_web(folder.path(), &["--runtime", runtime], &VOLUMES, "echo ours > /data/file");
        let before = World::at_rest(folder.path());
        let criu = kill_at_criu(&archive);
        assert_interrupted_at(runtime, "delete --force", &["restore", "-i", "/nonexistent"]);
        assert_eq!(podman(&["ps", "--all", "--format", "{{.Names}}"]), "web", "the next run needs to know");
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        drop(criu);
        before.assert_same(folder.path());
        assert_restores(&archive);
    }
}

/// Reads what `ckpt` says until a line has these `words`; gives that.
fn told(ckpt: &mut Child, words: &str) -> String {
    let mut said = BufReader::new(ckpt.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it did not say {words:?}");
    }
    // What it says from now on is not to be in its way.
    std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
    line
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_dead_runs_living_criu_is_told_of_and_left_alone_by_an_interrupt() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for runtime in RUNTIMES {
        let container = Container::run("survivor", &["--runtime", runtime], COUNT);
        let checkpoint = ["checkpoint", "survivor", "-e", text(&archive)];
        let held = Held::at("podman", "--never");
        let mut killed = held.start(&checkpoint);
        let criu = HeldCriu::at("criu: dump");
        kill(&mut killed, &podmans_of_ckpt());
        let mut next = held.start(&checkpoint);
        let said = told(&mut next, "waiting for its end");
        assert!(["criu", runtime].iter().any(|name| said.contains(&format!("({name})"))), "{said}");
        kill_process(Pid::from_child(&next), Signal::INT).unwrap();
        assert_eq!(next.wait().unwrap().code(), Some(1));
        assert!(run("pidof", &["criu"]).status.success());
        drop(criu);
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        if !container.goes_on() {
            container.restore_in_place();
        }
        assert_consecutive(&container.numbers());
        ckpt(&checkpoint);
    }
}
