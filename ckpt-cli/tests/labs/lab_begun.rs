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

/// A crash of the machine is not waited for: what the kernel is asked for is looked at. podman may start before, for it
/// makes nothing until it has read from the FIFO a second time.
#[test]
#[ignore = "needs podman, CRIU and strace: cargo xtask test"]
fn btrfs_what_a_restore_is_about_to_make_is_on_the_disk_before_podman_makes_it() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &["--network", "none"], &[], ":");
    let trace = folder.path().join("trace");
    // With its threads, but without the programs that it starts: CRIU traces processes itself.
    let options = ["--follow-forks", "--detach-on=execve", "--decode-fds=path"];
    let calls = "--trace=write,writev,splice,sendfile,fsync,fdatasync,execve";
    let traced =
        [&options[..], &[calls, "--output", text(&trace), env!("CARGO_BIN_EXE_ckpt"), "restore", "-i", &archive]];
    succeed("strace", &traced.concat());
    let web = Container::named("web");
    assert!(web.goes_on());
    let trace = fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let journal = format!("<{STORAGE}/ckpt-restore-");
    let after = |from: usize, words: &[&str]| {
        let found = lines[from..].iter().position(|line| words.iter().all(|word| line.contains(word)));
        from + found.unwrap_or_else(|| panic!("no {words:?} in its place in\n{trace}"))
    };
    // The end of the call that begins on a line: strace tells it apart if others call meanwhile.
    let end = |at: usize| match lines[at].contains("<unfinished ...>") {
        true => after(at, &[lines[at].split(' ').next().unwrap(), "resumed>", "= 0"]),
        false => at,
    };
    let named = after(0, &["write(", &journal, "name"]);
    let on_disk = end(after(end(after(named, &["fsync(", &journal])), &["fsync(", &format!("<{STORAGE}>")]));
    // Each time, all is read from its beginning.
    let begins = |line: &str| line.contains("[0], ") && line.contains("/import>") && !line.contains("EAGAIN");
    let reads: Vec<usize> = (0..lines.len()).filter(|&at| begins(lines[at])).collect();
    let read = *reads.get(1).unwrap_or_else(|| panic!("podman does not read twice in\n{trace}"));
    assert!(on_disk < read, "line {on_disk} comes after line {read} in\n{trace}");
    after(after(read, &["write(", &journal, "made"]), &["fdatasync(", &journal]);
}
