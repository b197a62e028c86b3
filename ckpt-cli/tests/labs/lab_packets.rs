//! Packets for a container whose connections are not taken along: nobody keeps them away from it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::lab::*;

/// What CRIU keeps packets away with. Here these fail, and leave a word that they were called.
const LOCKS: [&str; 2] = ["iptables-restore", "ip6tables-restore"];

/// A `program` whose CRIU finds them.
fn with_locks_that_fail(folder: &Path, program: &str, arguments: &[&str]) -> (Output, bool) {
    let called = folder.join("called");
    let _ = fs::remove_file(&called);
    let fail = format!("#!/bin/sh\necho \"$0\" >> {}; exit 1", text(&called));
    let locks = folder_of(&[], &LOCKS.map(|lock| (lock, fail.as_str())));
    let output = Command::new(program).args(arguments).env("PATH", path_with(locks.path())).output().unwrap();
    (output, called.exists())
}

fn packets_pass(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("open", &["--runtime", runtime], COUNT);
    let ckpt = |arguments: &[&str]| with_locks_that_fail(folder.path(), env!("CARGO_BIN_EXE_ckpt"), arguments);
    let checkpoint = ["checkpoint", "open", "--leave-running", "-e", text(&archive)];

    // Their connections have to be told from packets that come too late: CRIU insists.
    let (output, called) = ckpt(&[&checkpoint[..], &["--tcp-established"]].concat());
    assert!(!output.status.success() && called, "{output:?}");
    assert!(container.goes_on() && !archive.exists());

    let (output, called) = ckpt(&checkpoint);
    assert!(output.status.success() && !called, "{output:?}");
    assert!(container.goes_on());
    container.remove();

    let (output, called) = ckpt(&["restore", "-i", text(&archive)]);
    assert!(output.status.success() && !called, "{output:?}");
    assert!(container.goes_on());
    assert_consecutive(&container.numbers());
    container.remove();

    let podmans = ["container", "restore", "-i", text(&archive)];
    let (output, called) = with_locks_that_fail(folder.path(), "podman", &podmans);
    assert!(output.status.success() && !called, "{output:?}");
    assert!(container.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_packets_are_kept_away_for_connections_only_crun() {
    packets_pass("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_packets_are_kept_away_for_connections_only_runc() {
    packets_pass("runc");
}
