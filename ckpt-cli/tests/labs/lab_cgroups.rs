//! Who stands still with a container: all of it, nobody else, and not for longer than the dump.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

fn assert_goes_on(container: &Container) {
    assert!(container.goes_on());
    assert_consecutive(&container.numbers());
}

/// Without the check, this freezes the lab for good.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_shares_our_cgroup_is_refused_before_anything_is_touched() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    // runc has no such mode.
    let container = Container::run("shared", &["--runtime", "crun", "--cgroups", "disabled"], COUNT);
    for options in [
        &["-e", text(&archive)][..],
        &["-e", text(&archive), "--leave-running"],
        &["-e", text(&archive), "--fallback"],
        &[],
        &["--create-image", "localhost/shared"],
    ] {
        let said = ckpt_fails(&[&["checkpoint", "shared"], options].concat());
        assert!(said.contains("was not touched") && said.contains("--cgroups=disabled"), "{options:?}: {said}");
    }
    assert!(!archive.exists());
    assert_goes_on(&container);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_who_is_in_the_containers_cgroup_cannot_freeze_it() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("inside", &[], COUNT);
    let own = own_group(&container);
    let home = fs::read_to_string("/proc/self/cgroup").unwrap();
    let home = home.lines().find_map(|line| line.strip_prefix("0::")).unwrap();
    let enter = |group: &str| format!("echo $$ > {group}/cgroup.procs");
    let checkpoint = format!("exec {} checkpoint inside -e {}", env!("CARGO_BIN_EXE_ckpt"), archive.display());
    let leave = enter(&format!("/sys/fs/cgroup{home}"));
    for (case, script) in [
        ("ckpt", format!("{}; {checkpoint}", enter(text(&own)))),
        ("a shell that called it", format!("{}; sh -c '{leave}; {checkpoint}'; exit $?", enter(text(&own)))),
    ] {
        let output = run("sh", &["-c", &script]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("runs in the container's own cgroup"), "{case}: {said}");
    }
    assert_goes_on(&container);
}

/// The group that bears the container's ID.
fn own_group(container: &Container) -> PathBuf {
    let (id, group) = (container.inspect("{{.Id}}"), container.cgroup());
    let end = group.find(&id).unwrap() + id.len();
    format!("/sys/fs/cgroup{}", &group[..end]).into()
}

/// Moves its processes to a group below, as systemd does in a container.
fn nest(container: &Container) -> PathBuf {
    let own = own_group(container);
    let below = own.join("init.scope");
    fs::create_dir(&below).unwrap();
    for _ in 0..100 {
        for pid in fs::read_to_string(own.join("cgroup.procs")).unwrap().lines() {
            // It may have ended.
            let _ = fs::write(below.join("cgroup.procs"), pid);
        }
    }
    assert!(container.cgroup().ends_with("/init.scope"));
    own
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_in_a_group_below_its_own_is_frozen_and_thawed_as_a_whole() {
    let folder = folder();
    for runtime in RUNTIMES {
        let archive = folder.path().join(format!("{runtime}.tar"));
        let container = Container::run("nested", &["--runtime", runtime], COUNT);
        let own = nest(&container);
        ckpt(&["checkpoint", "nested", "-e", text(&archive), "--leave-running"]);
        assert_eq!(frozen_tasks(&container), Vec::<String>::new(), "{runtime}");
        assert_goes_on(&container);

        // Where CRIU dies with the group frozen, and all who had it work.
        let begun = folder.path().join("begun");
        // crun starts another CRIU then, which ends at once.
        let freeze = format!(
            "[ -e {0} ] && exit 1; echo 1 > {1}/cgroup.freeze; echo $$ > {0}; exec sleep 1000",
            begun.display(),
            own.display()
        );
        let bin = broken_criu(&freeze);
        let killed = Command::new(env!("CARGO_BIN_EXE_ckpt"))
            .args(["checkpoint", "nested", "-e", text(&archive)])
            .env("PATH", path_with(bin.path()))
            .stderr(Stdio::null())
            .spawn();
        let mut killed = killed.unwrap();
        let criu = wait_for("CRIU", || fs::read_to_string(&begun).ok()?.trim().parse().ok());
        killed.kill().unwrap();
        killed.wait().unwrap();
        kill_process(Pid::from_raw(criu).unwrap(), Signal::KILL).unwrap();
        wait_for("podman to give up", || run("pidof", &["podman"]).stdout.is_empty().then_some(()));
        assert_eq!(fs::read_to_string(own.join("cgroup.freeze")).unwrap().trim(), "1", "{runtime}");
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        assert_eq!(fs::read_to_string(own.join("cgroup.freeze")).unwrap().trim(), "0", "{runtime}");
        assert_goes_on(&container);
        fs::remove_file(begun).unwrap();
    }
}
