//! Limits of memory: whether a call gets none or the kernel kills who takes it, no container is lost, and nothing stays.

use std::fs;
use std::ops::RangeInclusive;

use crate::lab::*;

const MIB: u64 = 1 << 20;

/// From too little for `ckpt` itself to enough for all, in MiB.
const LIMITS: RangeInclusive<u64> = 2..=26;

/// Runs `ckpt` with so much memory, and once more with enough: any run that changes things puts right what a dead one left.
/// Gives whether the first succeeded, and how many processes were killed.
fn starve(megabytes: u64, arguments: &[&str]) -> (bool, u64) {
    let group = LittleMemory::new(megabytes * MIB);
    let output = group.ckpt(arguments);
    let kills = group.kills();
    drop(group);
    let told = |stderr: &str| println!("{megabytes} MiB, {kills} killed: {}", stderr.trim_end());
    told(&String::from_utf8_lossy(&output.stderr));
    told(&ckpt_fails(&["restore", "-i", "/nonexistent"]));
    (output.status.success(), kills)
}

fn assert_counts(container: &Container) {
    let count = container.numbers().len();
    assert_consecutive(&container.wait_for_numbers(count + 1));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_checkpoints_killed_for_want_of_memory_cost_no_container() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("starved", &[], COUNT);
    let before = World::at_rest(folder.path());
    let (mut killed, mut succeeded) = (0, 0);
    for megabytes in LIMITS {
        let (_, kills) = starve(megabytes, &["checkpoint", "starved", "-e", text(&archive)]);
        killed += kills;
        if archive.exists() {
            ckpt(&["verify", text(&archive)]);
            fs::remove_file(&archive).unwrap();
            succeeded += 1;
        }
        if !container.goes_on() {
            container.restore_in_place();
        }
        assert_counts(&container);
        assert!(frozen_tasks(&container).is_empty());
        before.assert_same(folder.path());
    }
    assert!(killed > 0 && succeeded > 0, "{killed} killed, {succeeded} succeeded");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_restores_killed_for_want_of_memory_leave_nothing() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("starved", &[], COUNT);
    ckpt(&["checkpoint", "starved", "-e", text(&archive)]);
    drop(original);
    let before = World::at_rest(folder.path());
    let (mut killed, mut succeeded) = (0, 0);
    for megabytes in LIMITS {
        let (success, kills) = starve(megabytes, &["restore", "-i", text(&archive)]);
        killed += kills;
        if podman(&["ps", "--all", "--external", "--format", "{{.Names}}"]).is_empty() {
            assert!(!success);
        } else {
            assert_counts(&Container::named("starved"));
            succeeded += 1;
        }
        before.assert_same(folder.path());
    }
    assert!(killed > 0 && succeeded > 0, "{killed} killed, {succeeded} succeeded");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_too_little_memory_costs_no_container() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("starved", &[], COUNT);
    // From too little to start with to enough for `ckpt`, but not for podman.
    for megabytes in [8, 16, 64, 256, 700] {
        let limit = format!("--as={}", megabytes * MIB);
        let arguments = [&limit, env!("CARGO_BIN_EXE_ckpt"), "checkpoint", "starved", "-e", text(&archive)];
        let output = run("prlimit", &arguments);
        assert!(!output.status.success(), "{megabytes} MB were enough");
        assert!(!archive.exists() && fs::read_dir(folder.path()).unwrap().count() == 0);
        assert!(container.is_running());
        assert_counts(&container);
    }
    ckpt(&["checkpoint", "starved", "-e", text(&archive)]);
}
