//! Signals, kills and rivals: nothing is lost, and nothing is left that the next run trips over.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::lab::*;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// Sends `signal` some time after the start; gives whether the program succeeded all the same.
fn strike(mut child: Child, after: Duration, signal: Signal) -> bool {
    sleep(after);
    // It may be done already.
    let _ = kill_process(Pid::from_child(&child), signal);
    let succeeded = child.wait().unwrap().success();
    wait_for("podman's end", || podmans_at_work().is_empty().then_some(()));
    succeeded
}

/// podman processes that import or export.
fn podmans_at_work() -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let is_at_work = |process: &fs::DirEntry| {
        let Ok(words) = fs::read(process.path().join("cmdline")) else { return false };
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        words.contains("podman container ") && words.contains("/run/ckpt/")
    };
    let numbers = processes.filter(is_at_work).filter_map(|process| process.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// Starts ckpt, halts the podman that it starts, and interrupts it; it must not wait for that podman.
fn interrupt_with_podman_at_a_halt(arguments: &[&str]) {
    let mut child = start_ckpt(arguments);
    wait_for("podman", || {
        podmans_at_work()
            .into_iter()
            .filter(|&podman| kill_process(podman, Signal::STOP).is_ok())
            .count()
            .checked_sub(1)
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(podmans_at_work(), []);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_podman_that_stands_still_is_not_waited_for() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("halted", &[], COUNT);
    interrupt_with_podman_at_a_halt(&["checkpoint", "halted", "-e", text(&archive)]);
    assert!(container.is_running());
    assert_consecutive(&container.numbers());
    container.checkpoint_and_remove(&archive);
    interrupt_with_podman_at_a_halt(&["restore", "-i", text(&archive)]);
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "");
    ckpt(&["restore", "-i", text(&archive)]);
    assert_consecutive(&container.numbers());
}

/// Nothing half-made below `folder`, whatever the archive's state.
fn assert_only_archives(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} was left behind");
    }
}

/// Strikes checkpoints at many moments: the container runs, or is stopped and can be restored in place, or its archive
/// is whole; the next checkpoint works.
fn checkpoints_can_be_struck(signal: Signal, name: &str) {
    let folder = folder();
    let container = Container::run(name, &[], COUNT);
    container.exec("head -c 3000000 /dev/urandom > /srv/large");
    for step in 0..12 {
        let archive = folder.path().join(format!("{step}.tar"));
        let child = start_ckpt(&["checkpoint", name, "-e", text(&archive)]);
        let succeeded = strike(child, Duration::from_millis(20 + 40 * step), signal);
        // SIGKILL can come after the archive has got its name.
        assert!(archive.exists() == succeeded || signal == Signal::KILL && !succeeded, "step {step}: {succeeded}");
        if archive.exists() {
            ckpt(&["verify", text(&archive)]);
        }
        assert_only_archives(folder.path());
        if !container.is_running() {
            container.restore_in_place();
        }
        assert_consecutive(&container.numbers());
    }
    ckpt(&["checkpoint", name, "-e", text(&folder.path().join("last.tar"))]);
    assert_eq!(
        fs::read_dir("/run/ckpt/sessions")
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().is_dir() && entry.file_name() != "tmp" && entry.file_name() != "memory")
            .count(),
        0
    );
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn checkpoints_can_be_interrupted() {
    checkpoints_can_be_struck(Signal::INT, "interrupted");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn checkpoints_can_be_killed() {
    checkpoints_can_be_struck(Signal::KILL, "killed");
}

/// The first Ctrl-C has the work undone; who does not want to wait for that presses again.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_second_signal_ends_at_once() {
    let folder = folder();
    let container = Container::run("impatient", &[], COUNT);
    let archive = folder.path().join("x.tar");
    let mut child = start_ckpt(&["checkpoint", "impatient", "-e", text(&archive)]);
    let criu = HeldCriu::met();
    let pid = Pid::from_child(&child);
    // Signals of one kind that wait are one signal.
    for signal in [Signal::INT, Signal::TERM] {
        kill_process(pid, signal).unwrap();
        sleep(Duration::from_millis(1));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(criu);
    wait_for("podman's end", || podmans_at_work().is_empty().then_some(()));
    assert!(!archive.exists());
    assert_only_archives(folder.path());
    let last = folder.path().join("last.tar");
    wait_for_criu_to_end();
    if !container.goes_on() {
        container.restore_in_place();
    }
    ckpt(&["checkpoint", "impatient", "-e", text(&last)]);
    assert_consecutive(&container.numbers());
}

/// Interrupts ckpt once it says that it waits for the lock at `path`, which another run has.
fn interrupt_at_lock(path: &str, arguments: &[&str]) {
    let held = fs::File::open(path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ckpt")).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    said.find(|line| line.as_ref().unwrap().contains("waiting for")).unwrap().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<_> = said.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(rest.iter().any(|line| line.contains(path) && line.contains("interrupted")), "{rest:?}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_ends_the_wait_for_another_run() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("queued", &[], COUNT);
    ckpt(&["checkpoint", "queued", "-R", "-e", text(&archive)]);
    interrupt_at_lock("/run/ckpt/sessions", &["checkpoint", "queued", "-e", text(&folder.path().join("none.tar"))]);
    let lock = "/run/ckpt/sessions/queued-too.lock";
    fs::write(lock, "").unwrap();
    interrupt_at_lock(lock, &["restore", "-i", text(&archive), "--name", "queued-too"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "queued");
    assert_consecutive(&container.numbers());
    ckpt(&["checkpoint", "queued", "-e", text(&archive)]);
}

/// Another podman that hangs may have the container locked.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_ends_the_wait_for_an_answer() {
    let folder = folder();
    let podman = installed("podman");
    let halting = folder.path().join("podman");
    make_script(&halting, &format!("[ \"$1 $2\" != 'container inspect' ] || kill -STOP $$\nexec {podman} \"$@\""));
    let container = Container::run("asked", &[], COUNT);
    let child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", "asked", "-e", text(&folder.path().join("x.tar"))])
        .env("PATH", path_with(folder.path()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asking = format!("{} container inspect", halting.display());
    wait_for("the question", || run("pgrep", &["-f", &asking]).status.success().then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("interrupted"), "{said}");
    assert!(!run("pgrep", &["-f", &asking]).status.success());
    assert_consecutive(&container.numbers());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn interrupted_restores_leave_nothing() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("struck-volume");
    let original = Container::run("struck", &["-v", "struck-volume:/data"], COUNT);
    original.exec("echo precious > /data/file");
    original.checkpoint_and_remove(&archive);
    volume.remove();
    for step in 0..12 {
        let child = start_ckpt(&["restore", "-i", text(&archive)]);
        if strike(child, Duration::from_millis(15 + 25 * step), Signal::TERM) {
            assert!(original.is_running());
            original.remove();
            volume.remove();
        }
        assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "", "step {step}");
        assert_eq!(podman(&["volume", "ls", "--format", "{{.Name}}"]), "", "step {step}");
    }
    ckpt(&["restore", "-i", text(&archive)]);
    assert_eq!(original.exec("cat /data/file"), "precious");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn of_two_restores_under_one_name_one_wins() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("wanted", &[], COUNT);
    ckpt(&["checkpoint", "wanted", "-e", text(&archive), "-R"]);
    for _ in 0..4 {
        let clone = Container::named("wanted-clone");
        let arguments = ["restore", "-i", text(&archive), "--name", "wanted-clone"];
        let mut rivals = [start_ckpt(&arguments), start_ckpt(&arguments)];
        let wins = rivals.iter_mut().map(|rival| rival.wait().unwrap().success()).filter(|won| *won).count();
        assert_eq!(wins, 1);
        assert!(clone.is_running());
        assert_consecutive(&clone.numbers());
    }
    drop(original);
}

fn many_restores_of_one_archive_at_once(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("many", &["--runtime", runtime], COUNT);
    original.exec("head -c 3000000 /dev/urandom > /srv/large");
    let checksum = original.exec("sha256sum < /srv/large");
    ckpt(&["checkpoint", "many", "-e", text(&archive)]);
    let clones: Vec<_> = (0..8).map(|number| Container::named(&format!("many-{number}"))).collect();
    let restore = |clone: &Container| start_ckpt(&["restore", "-i", text(&archive), "--name", &clone.name]);
    let mut running: Vec<_> = clones.iter().map(restore).collect();
    assert!(running.iter_mut().all(|child| child.wait().unwrap().success()));
    for clone in &clones {
        clone.exec("echo $HOSTNAME >> /srv/who");
    }
    // Each wrote to a file of its own, and none saw another's.
    for clone in &clones {
        let id = clone.inspect("{{.Id}}");
        assert!(clone.cgroup().contains(&id), "{} is in {}", clone.name, clone.cgroup());
        assert_eq!(clone.exec("sha256sum < /srv/large; wc -l < /srv/who"), format!("{checksum}\n1"));
        assert_consecutive(&clone.numbers());
    }
    drop(original);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_many_restores_of_one_archive_at_once_runc() {
    many_restores_of_one_archive_at_once("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_many_restores_of_one_archive_at_once_crun() {
    many_restores_of_one_archive_at_once("crun");
}
