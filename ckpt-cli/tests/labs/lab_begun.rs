//! What a restore notes on the disk before it begins, and takes back where it cannot begin.

use std::fs;

use crate::lab::*;

const STORAGE: &str = "/var/lib/containers/storage";
const SESSIONS: &str = "/run/ckpt/sessions";

/// Notes of restores that are under way, or were killed.
fn journals() -> Vec<String> {
    let names = fs::read_dir(STORAGE).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("ckpt-restore-")).collect()
}

/// No more than `inodes` files below /run/ckpt/sessions, until this is dropped.
struct FewFiles;

impl FewFiles {
    fn of(inodes: u32) -> Self {
        succeed("mount", &["-t", "tmpfs", "-o", &format!("nr_inodes={inodes}"), "tmpfs", SESSIONS]);
        FewFiles
    }
}

impl Drop for FewFiles {
    fn drop(&mut self) {
        succeed("umount", &[SESSIONS]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_restore_that_cannot_begin_for_want_of_inodes_leaves_nothing() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "none"], &[], ":");
    let before = World::at_rest(folder.path());
    let mut failures = Vec::new();
    let few = (3..30).find_map(|inodes| {
        let few = FewFiles::of(inodes);
        let output = run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", &archive]);
        assert_eq!(output.status.success(), run("podman", &["container", "exists", "web"]).status.success());
        assert_eq!(journals(), [""; 0]);
        if output.status.success() {
            return Some(few);
        }
        failures.push(String::from_utf8(output.stderr).unwrap());
        drop(few);
        before.assert_same(folder.path());
        None
    });
    let web = Container::named("web");
    assert!(few.is_some() && web.goes_on(), "{failures:?}");
    let is_reason = |said: &String| said.to_lowercase().contains("no space left on device");
    assert!(failures.iter().all(is_reason), "{failures:?}");
    // One of them with the journal written: the FIFO is the first that comes after it.
    assert!(failures.iter().any(|said| said.contains("mkfifo")), "{failures:?}");
}

/// A crash of the machine is not waited for: what the kernel is asked for is looked at.
#[test]
#[ignore = "needs podman, CRIU and strace: cargo xtask test"]
fn btrfs_what_a_restore_is_about_to_make_is_on_the_disk_before_podman_starts() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "none"], &[], ":");
    let trace = folder.path().join("trace");
    // With its threads, but without the programs that it starts: CRIU traces processes itself.
    let options = ["--follow-forks", "--detach-on=execve", "--decode-fds=path", "--trace=write,fsync,fdatasync,execve"];
    let traced = [&options[..], &["--output", text(&trace), env!("CARGO_BIN_EXE_ckpt"), "restore", "-i", &archive]];
    succeed("strace", &traced.concat());
    let web = Container::named("web");
    assert!(web.goes_on());
    let trace = fs::read_to_string(&trace).unwrap();
    let journal = format!("<{STORAGE}/ckpt-restore-");
    let mut calls = trace.lines();
    for (call, file, words) in [
        ("write(", &journal[..], "name"),
        ("fsync(", &journal, ""),
        ("fsync(", &format!("<{STORAGE}>"), ""),
        ("execve(", "ckpt-child", "container"),
        ("write(", &journal, "made"),
        ("fdatasync(", &journal, ""),
    ] {
        let is_meant = |line: &str| [call, file, words].iter().all(|word| line.contains(word));
        assert!(calls.any(is_meant), "no {call}{file} in its place in\n{trace}");
    }
}
