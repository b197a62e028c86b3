//! Real containers in the lab, and how to look at them.

mod container;
#[path = "../../../../aligntar/tests/tree/describe.rs"]
mod describe;
mod edited;
mod held_criu;
mod held_program;
mod image;
mod little_memory;
mod mounted;
mod programs;
mod sockets;
mod world;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) use container::{Container, Network, Pod, Volume, archive_of_web};
pub(crate) use edited::edited;
pub(crate) use held_criu::{HeldCriu, wait_for_criu_to_end};
pub(crate) use held_program::{Held, interrupt, kill, kill_all, podmans_of_ckpt};
pub(crate) use image::{add_busybox, import_image};
pub(crate) use little_memory::LittleMemory;
pub(crate) use mounted::Mounted;
pub(crate) use programs::{broken_criu, folder_of, installed, make_script, path_with};
pub(crate) use sockets::criu_knows_sockets;
pub(crate) use world::{World, frozen_tasks};

pub(crate) const IMAGE: &str = "localhost/busybox";
pub(crate) const RUNTIMES: [&str; 2] = ["runc", "crun"];

/// Counts in memory and prints each number; keeps a log file open, to which it writes when it gets SIGUSR1.
pub(crate) const COUNT: &str = r#"
exec 3>>/var/log/app.log
trap 'echo "signal at $i" >&3' USR1
i=0
while :; do i=$((i+1)); echo $i; sleep 0.05; done
"#;

/// A folder on the file system that holds podman's storage, so that archives in it can be clones.
pub(crate) fn folder() -> TempDir {
    let fs = std::env::var("CKPT_LAB_FS").expect("these tests run in the lab: cargo xtask test");
    tempfile::tempdir_in(format!("/mnt/{fs}")).unwrap()
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a program that must succeed; gives what it prints.
pub(crate) fn succeed(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Runs a shell script in `folder`, where any error ends it and fails the test; gives what it prints.
pub(crate) fn shell_in(folder: &Path, script: &str) -> String {
    succeed("bash", &["-ec", &format!("cd \"$1\"; {script}"), "bash", text(folder)])
}

/// Runs `ckpt` as a user that is not root, with a copy of it in `folder`, which is opened to all.
pub(crate) fn ckpt_as_user(folder: &Path, arguments: &[&str]) -> Output {
    let program = folder.join("ckpt");
    fs::copy(env!("CARGO_BIN_EXE_ckpt"), &program).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let user = ["--reuid", "1000", "--regid", "1000", "--clear-groups", text(&program)];
    run("setpriv", &[&user, arguments].concat())
}

pub(crate) fn podman(arguments: &[&str]) -> String {
    succeed("podman", arguments)
}

pub(crate) fn ckpt(arguments: &[&str]) -> String {
    succeed(env!("CARGO_BIN_EXE_ckpt"), arguments)
}

/// Runs `ckpt`, which must fail with one line for people; gives it. What other programs said stands below, indented.
pub(crate) fn ckpt_fails(arguments: &[&str]) -> String {
    let output = run(env!("CARGO_BIN_EXE_ckpt"), arguments);
    assert!(!output.status.success(), "ckpt {arguments:?} succeeded");
    let said = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> =
        said.lines().filter(|line| !line.starts_with("Warning: ") && !line.starts_with("  ")).collect();
    assert_eq!(errors.len(), 1, "ckpt {arguments:?} should say one line, said:\n{said}");
    assert!(errors[0].starts_with("Error: "), "{said}");
    errors[0].to_owned()
}

/// Runs `ckpt`, which must fail, with the programs in `bin` in the place of those that are installed; gives all it says.
pub(crate) fn ckpt_fails_with(bin: &Path, arguments: &[&str]) -> String {
    fails(Command::new(env!("CARGO_BIN_EXE_ckpt")).args(arguments).env("PATH", path_with(bin)))
}

/// Runs a command that must fail; gives what it says on standard error.
pub(crate) fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// Starts `ckpt`, whose words nobody reads.
pub(crate) fn start_ckpt(arguments: &[&str]) -> Child {
    let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    ckpt.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

pub(crate) fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Calls `look` until it gives something.
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    has_come(look).unwrap_or_else(|| panic!("waited too long for {what}"))
}

/// Calls `look` until it gives something, or it has been too long; then tells who is there.
pub(crate) fn has_come<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        match look() {
            None if Instant::now() > patience => break,
            None => sleep(Duration::from_millis(50)),
            found => return found,
        }
    }
    println!("{}", process_table());
    None
}

/// Who is there, and what each of them waits for.
pub(crate) fn process_table() -> String {
    let table = Command::new("ps").args(["-eo", "pid,ppid,stat,wchan:24,lstart,args"]).output();
    let table = table.map(|table| table.stdout).unwrap_or_default();
    // The lab's own processes have all names of tests among their arguments.
    let lines = table.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(&line[..line.len().min(300)]));
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn describe_tree(root: &Path) -> BTreeMap<PathBuf, String> {
    describe::describe(root)
}

/// Trees line by line, so that a difference can be read.
pub(crate) fn assert_same_tree(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differences: Vec<_> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| format!("{path:?}\n  was {:?}\n  is  {:?}", before.get(path), after.get(path)))
        .collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// 1, 2, 3, … with nothing missing and nothing twice.
pub(crate) fn assert_consecutive(numbers: &[u64]) {
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
}

/// Used bytes of the file system that holds `folder`, everything written out.
pub(crate) fn used_bytes(folder: &Path) -> u64 {
    let opened = File::open(folder).unwrap();
    rustix::fs::syncfs(&opened).unwrap();
    let stat = rustix::fs::fstatvfs(&opened).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

/// What `--print-stats` prints of our own.
pub(crate) fn statistics(stdout: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(stdout).unwrap()["container_statistics"][0]["ckpt"].clone()
}
