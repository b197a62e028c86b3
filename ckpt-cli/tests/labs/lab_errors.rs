//! CRIU that dies, hangs or refuses: its reason is told, with what to do, and the container is there afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::*;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Pid, Signal, kill_process};

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_criu_that_crashes_costs_no_container() {
    for (runtime, signal) in RUNTIMES.into_iter().zip(["SEGV", "KILL"]) {
        assert_costs_no_container(runtime, &format!("kill -{signal} $$"));
    }
}

/// CRIU is killed in the moment in which it has a child to try the kernel's tracing on, which sleeps for good then, or
/// is stopped, or sleeps again after a stop, and holds the socket at which the runtime waits.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_child_that_criu_left_asleep_holds_nobody_up() {
    let (stop, resume) = ("select undef, undef, undef, 0.1; kill STOP => $child;", "kill CONT => $child;");
    let traced = [String::new(), stop.to_owned(), format!("{stop} {resume}")];
    for (runtime, traced) in RUNTIMES.into_iter().flat_map(|runtime| traced.each_ref().map(|traced| (runtime, traced)))
    {
        let crash = format!("$child = fork; sleep 1000 unless $child; {traced} kill KILL => $$");
        assert_costs_no_container(runtime, &format!("exec -a 'criu: dump --rpc' perl -e '{crash}'"));
        assert!(!run("pgrep", &["-f", "^criu"]).status.success());
    }
}

fn assert_costs_no_container(runtime: &str, commands: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let bin = broken_criu(commands);
    let container = Container::run("crashed", &["--runtime", runtime], COUNT);
    let said = ckpt_fails_with(bin.path(), &["checkpoint", "crashed", "-e", text(&archive)]);
    assert_says(&said, &["the container keeps running", "CRIU"]);
    assert!(container.is_running() && !archive.exists());
    container.checkpoint_and_remove(&archive);
    let said = ckpt_fails_with(bin.path(), &["restore", "-i", text(&archive)]);
    assert_says(&said, &["restore of", "failed"]);
    assert_eq!(podman(&["ps", "--all", "--format", "{{.Names}}"]), "", "{said}");
    ckpt(&["restore", "-i", text(&archive)]);
    assert_consecutive(&container.numbers());
}

/// CRIU is killed by a script that it calls itself, when it has helpers and half a task: they keep the socket open at
/// which the runtime waits.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_criu_that_dies_while_it_restores_holds_nobody_up() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let [configuration, script, reached] = ["criu.conf", "script", "reached"].map(|name| folder.path().join(name));
    fs::write(&configuration, format!("action-script {}\n", script.display())).unwrap();
    let bin = broken_criu(&format!("CRIU_CONFIG_FILE={} exec {} \"$@\"", configuration.display(), installed("criu")));
    for runtime in RUNTIMES {
        let container = Container::run("crashed", &["--runtime", runtime], COUNT);
        container.checkpoint_and_remove(&archive);
        for action in ["pre-restore", "setup-namespaces", "post-setup-namespaces", "post-restore"] {
            let kill = format!("echo {action} > {} && kill -KILL $PPID", reached.display());
            make_script(&script, &format!("[ $CRTOOLS_SCRIPT_ACTION != {action} ] || {{ {kill}; }}"));
            let before = World::at_rest(Path::new("/nonexistent"));
            let said = ckpt_fails_with(bin.path(), &["restore", "-i", text(&archive)]);
            assert_says(&said, &["restore of", "failed"]);
            assert_eq!(fs::read_to_string(&reached).unwrap().trim(), action, "{said}");
            before.assert_same(Path::new("/nonexistent"));
        }
        ckpt(&["restore", "-i", text(&archive)]);
        assert_consecutive(&container.numbers());
    }
}

/// podman is killed when it has noted that it removes what a restore had made, and waits for its storage.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_removal_that_was_killed_is_ended_by_the_next_run() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let [begun, locked] = ["begun", "locked"].map(|name| folder.path().join(name));
    let container = Container::run("unwanted", &[], COUNT);
    container.checkpoint_and_remove(&archive);
    let bin = broken_criu("exit 1");
    let before = World::at_rest(&archive);

    let wait = format!("echo $$ > {}; until [ -e {} ]; do sleep 0.01; done", begun.display(), locked.display());
    let whole_podman = installed("podman");
    let commands = format!("case \" $* \" in *' rm '*) {wait};; esac\nexec {whole_podman} \"$@\"");
    make_script(&bin.path().join("podman"), &commands);
    let said = std::thread::scope(|scope| {
        let run = scope.spawn(|| ckpt_fails_with(bin.path(), &["restore", "-i", text(&archive)]));
        wait_for("the removal", || fs::read_to_string(&begun).ok().filter(|pid| pid.ends_with('\n')));
        // Others can read it, but not remove a layer.
        let layers = fs::File::open("/var/lib/containers/storage/overlay-layers/layers.lock").unwrap();
        fcntl_lock(&layers, FlockOperation::LockShared).unwrap();
        fs::write(&locked, "").unwrap();
        let waited_for = format!(":{} ", layers.metadata().unwrap().ino());
        let is_waited_for = |line: &str| line.contains("->") && line.contains(&waited_for);
        let locks = || fs::read_to_string("/proc/locks").unwrap();
        wait_for("podman to need the lock", || locks().lines().any(is_waited_for).then_some(()));
        let podman = fs::read_to_string(&begun).unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(podman).unwrap(), Signal::KILL).unwrap();
        run.join().unwrap()
    });
    assert_says(&said, &["Warning: what the restore had made cannot be removed, and will be by the next run of ckpt"]);
    assert_eq!(container.inspect("{{.State.Status}}"), "removing");
    ckpt_fails(&["restore", "-i", "/nonexistent"]);
    before.assert_same(&archive);
    ckpt(&["restore", "-i", text(&archive)]);
    assert_consecutive(&container.numbers());
}

/// On a file system without reflink the frozen moment is long enough to stop `ckpt` in it.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_a_hook_that_hears_nothing_has_the_dump_undone() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("unheard", &[], COUNT);
    container.exec("head -c 300000000 /dev/zero > /srv/large");
    let child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", "unheard", "-e", text(&archive)])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hook = || run("pgrep", &["-f", "ckpt-hook$"]).status.success();
    wait_for_soon("the hook", hook);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    wait_for("the hook to lose its patience", || (!hook()).then_some(()));
    let count = container.numbers().len();
    container.wait_for_numbers(count + 1);
    kill_process(pid, Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !archive.exists());
    assert_says(&said, &["the container keeps running"]);
    assert!(container.is_running());
    assert_consecutive(&container.numbers());
}

/// As [`wait_for`], without a pause: it may be over soon.
fn wait_for_soon(what: &str, mut there: impl FnMut() -> bool) {
    assert!((0..10_000).any(|_| there()), "waited too long for {what}");
}
