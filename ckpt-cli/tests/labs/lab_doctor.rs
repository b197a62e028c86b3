//! `ckpt doctor`: what it finds on hosts that are well and on those that are not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::lab::*;
use serde_json::Value;

/// What `ckpt doctor --format json` found, and its exit status; `set` changes its surroundings.
fn doctor(folder: &str, set: impl FnOnce(&mut Command)) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    command.args(["doctor", "--format", "json", folder]);
    set(&mut command);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let checkup: Value =
        serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
    assert_eq!(checkup["fit"], status.code() == Some(0));
    (checkup, status.code().unwrap())
}

/// The finding on `check`: verdict, what was found and the advice.
fn finding(checkup: &Value, check: &str) -> (String, String, String) {
    let findings = checkup["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("nothing on {check:?} in {findings:#?}"));
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("found"), text("advice"))
}

fn assert_finding(checkup: &Value, check: &str, verdict: &str, words: &[&str]) {
    let (found_verdict, found, advice) = finding(checkup, check);
    assert_eq!(found_verdict, verdict, "{check}: {found}");
    let said = format!("{found} / {advice}");
    for word in words {
        assert!(said.contains(word), "{check}: {word:?} is not in {said}");
    }
    assert_eq!(advice.is_empty(), verdict == "ok", "{check}: {said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn all_is_well_in_the_lab() {
    let fs = std::env::var("CKPT_LAB_FS").unwrap();
    let folder = folder();
    let (checkup, status) = doctor(text(folder.path()), |_| {});
    assert_eq!(status, 0, "{checkup:#}");
    for (check, words) in [
        ("root", &["yes"][..]),
        ("kernel", &["openat2"]),
        ("overlayfs", &[]),
        ("checkpoint/restore", &[]),
        ("cgroups", &["v2"]),
        ("criu", &["Version: "]),
        ("criu check", &["Looks good"]),
        ("lazy restore", &["possible, tried"]),
        ("podman", &["podman version "]),
        ("crun", &["crun version "]),
        ("runc", &["runc version "]),
        ("storage driver", &["overlay", "metacopy=false"]),
        ("storage", &[&fs, "GiB free"]),
        ("folder", &[&fs, text(folder.path())]),
        ("reflink in the storage", &["yes, tried"]),
        ("reflink to the folder", &["yes, tried"]),
        ("to expect, an estimate", &["however large"]),
    ] {
        assert_finding(&checkup, check, "ok", words);
    }
    // An actual container tells in `btrfs_connections_go_on_or_are_closed_*`.
    let (verdict, words) = if criu_knows_sockets() { ("ok", "can dump") } else { ("warning", "4.2 or newer") };
    assert_finding(&checkup, "network sockets", verdict, &[words]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let table = ckpt(&["doctor", text(folder.path())]);
    assert!(table.contains("reflink in the storage") && table.contains("what to do"), "{table}");
    // Another file system than the storage's: no reason not to, but copies.
    let (checkup, status) = doctor("/mnt/ext4", |_| {});
    assert_eq!(status, 0);
    assert_finding(&checkup, "reflink to the folder", "warning", &["no, tried", "copied"]);
    assert!(ckpt_fails(&["doctor", "/nowhere"]).contains("/nowhere is no folder"));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_has_no_reflink() {
    let (checkup, status) = doctor("/mnt/ext4", |_| {});
    assert_eq!(status, 0, "{checkup:#}");
    assert_finding(&checkup, "storage", "ok", &["ext4"]);
    assert_finding(&checkup, "reflink in the storage", "warning", &["no, tried", "Btrfs or XFS"]);
    assert_finding(&checkup, "to expect, an estimate", "warning", &["s for each GiB"]);
}

/// Runs it with nothing in PATH but links to `programs`, and scripts.
fn doctor_with(programs: &[&str], scripts: &[(&str, &str)]) -> (Value, i32) {
    let bin = folder_of(programs, scripts);
    doctor("/tmp", |command| {
        command.env("PATH", bin.path());
    })
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_missing_and_old_programs_are_named() {
    let all = ["podman", "criu", "crun", "runc", "conmon", "sh"];
    let without = |left_out: &[&'static str]| -> Vec<&str> {
        all.into_iter().filter(|program| !left_out.contains(program)).collect()
    };
    let (checkup, status) = doctor_with(&without(&["criu"]), &[]);
    assert_eq!(status, 1);
    assert_finding(&checkup, "criu", "problem", &["not in PATH", "install the package criu"]);
    assert_finding(&checkup, "podman", "ok", &[]);

    let (checkup, status) = doctor_with(&without(&["podman"]), &[]);
    assert_eq!(status, 1);
    assert_finding(&checkup, "podman", "problem", &["install the package podman"]);
    assert_finding(&checkup, "storage driver", "unknown", &["install podman"]);
    // storage.conf says where the storage is all the same.
    assert_finding(&checkup, "reflink in the storage", "ok", &["yes, tried"]);

    let (checkup, status) = doctor_with(&without(&["crun", "runc"]), &[]);
    assert_eq!(status, 1);
    assert_finding(&checkup, "runtime", "problem", &["neither crun nor runc", "install"]);

    let old_criu =
        "#!/bin/sh\ncase $1 in --version) echo 'Version: 3.10';; *) echo 'Error: no vdso' >&2; exit 1;; esac\n";
    let old_podman = "#!/bin/sh\ncase $1 in --version) echo 'podman version 3.4.4';; *) exit 125;; esac\n";
    let (checkup, status) = doctor_with(&without(&["criu", "podman"]), &[("criu", old_criu), ("podman", old_podman)]);
    assert_eq!(status, 1);
    assert_finding(&checkup, "criu", "problem", &["Version: 3.10", "too old", "3.11"]);
    assert_finding(&checkup, "criu check", "problem", &["Error: no vdso"]);
    assert_finding(&checkup, "dirty page tracking", "warning", &["pre-checkpoints"]);
    assert_finding(&checkup, "lazy restore", "warning", &["not possible, tried", "--lazy"]);
    assert_finding(&checkup, "podman", "problem", &["3.4.4", "too old", "4.0"]);
    assert_finding(&checkup, "storage driver", "problem", &["podman info"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_other_storage_is_a_problem() {
    let folder = folder();
    let conf = folder.path().join("storage.conf");
    let (graph, run_root) = (folder.path().join("graph"), folder.path().join("run"));
    let with = |storage: &str| {
        let toml = format!("[storage]\ngraphroot = {graph:?}\nrunroot = {run_root:?}\n{storage}");
        fs::write(&conf, toml).unwrap();
        let found = doctor(text(folder.path()), |command| {
            command.env("CONTAINERS_STORAGE_CONF", &conf);
        });
        let _ = fs::remove_dir_all(&graph);
        found
    };
    let (checkup, status) = with("driver = \"vfs\"\n");
    assert_eq!(status, 1);
    assert_finding(&checkup, "storage driver", "problem", &["vfs", "only overlay", "storage.conf"]);
    let mount_program = folder.path().join("fuse-overlayfs");
    fs::write(&mount_program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&mount_program, fs::Permissions::from_mode(0o755)).unwrap();
    let options = format!("driver = \"overlay\"\n[storage.options.overlay]\nmount_program = {mount_program:?}\n");
    let (checkup, status) = with(&options);
    assert_eq!(status, 1);
    assert_finding(&checkup, "storage driver", "problem", &["mount_program", "fuse-overlayfs"]);
    let (checkup, status) = with("driver = \"overlay\"\n[storage.options.overlay]\nmountopt = \"metacopy=on\"\n");
    assert_eq!(status, 0, "{checkup:#}");
    assert_finding(&checkup, "storage driver", "ok", &["metacopy=on"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_without_root_it_says_what_it_cannot_find_out() {
    let folder = tempfile::tempdir().unwrap();
    let output = ckpt_as_user(folder.path(), &["doctor", "--format", "json", "/tmp"]);
    let checkup: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_finding(&checkup, "root", "problem", &["user 1000", "sudo"]);
    assert_finding(&checkup, "criu check", "unknown", &["only root"]);
    assert_finding(&checkup, "lazy restore", "unknown", &["only root"]);
    assert_finding(&checkup, "storage driver", "unknown", &["sudo"]);
    assert_finding(&checkup, "criu", "ok", &["Version"]);
    assert_ne!(finding(&checkup, "podman").0, "problem", "{checkup:#}");
    assert_finding(&checkup, "folder", "ok", &["tmpfs", "/tmp"]);
}
