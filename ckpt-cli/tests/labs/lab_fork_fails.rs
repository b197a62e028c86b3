//! Copies of which one fails, or that an interrupt ends: the others are as if it had never been.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::copies::copies_of;
use crate::lab::*;
use tempfile::TempDir;

/// Runs `ckpt`, which must fail; gives what it prints and what it says.
fn partly_fails(arguments: &[&str]) -> (String, String) {
    let output = run(env!("CARGO_BIN_EXE_ckpt"), arguments);
    assert_eq!(output.status.code(), Some(1));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn exists(container: &Container) -> bool {
    run("podman", &["container", "exists", &container.name]).status.success()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_one_that_fails_leaves_the_others_unless_all_are_wanted() {
    let folder = folder();
    let _volumes = ["", "-some-1", "-some-2", "-some-3"].map(|copy| Volume::named(&format!("some-data{copy}")));
    let original = Container::run("some", &["-v", "some-data:/data"], COUNT);
    let world = World::at_rest(folder.path());
    let failing = ["fork", "some", "--count", "3", "--exec", "echo ouch >&2; [ $CKPT_NUMBER != 2 ]"];
    let copies = copies_of("some", 3);
    let (printed, said) = partly_fails(&failing);
    assert_eq!(printed.lines().count(), 2);
    assert!(said.starts_with("Error: some-2: ") && said.contains("ouch"), "{said}");
    assert_eq!(copies.iter().map(exists).collect::<Vec<_>>(), [true, false, true]);
    for copy in [&copies[0], &copies[2]] {
        copy.remove();
        podman(&["volume", "rm", &format!("some-data-{}", copy.name)]);
    }
    world.assert_same(folder.path());

    let (_, said) = partly_fails(&[&failing[..], &["--all-or-none"]].concat());
    assert!(said.contains("some-2"), "{said}");
    world.assert_same(folder.path());
    assert!(original.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_the_seventh_whose_name_is_taken_fails_alone() {
    let original = Container::run("seven", &[], COUNT);
    let rival = Container::run("seven-7", &[], COUNT);
    let id = rival.inspect("{{.Id}}");
    let (printed, said) = partly_fails(&["fork", "seven", "--count", "8"]);
    assert_eq!(printed.lines().count(), 7);
    assert!(said.starts_with("Error: seven-7: ") && said.contains(&id[..12]), "{said}");
    let copies = copies_of("seven", 8);
    assert!(copies.iter().all(Container::goes_on) && original.goes_on());
    assert_eq!(rival.inspect("{{.Id}}"), id);
}

/// A `criu` that fails for the seventh container that is restored, whatever is asked of it.
fn criu_that_fails_seventh(restored: &Path) -> TempDir {
    let criu = installed("criu");
    broken_criu(&format!(
        "id=$(tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -xE '[0-9a-f]{{64}}')
        for n in 1 2 3 4 5 6 7 8; do
            ln -s $id {0}/$n 2> /dev/null
            [ $(readlink {0}/$n) != $id ] || break
        done
        [ $n != 7 ] || exit 1
        exec {criu} \"$@\"",
        restored.display()
    ))
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_the_seventh_that_criu_does_not_restore_fails_alone() {
    let (folder, restored) = (folder(), tempfile::tempdir().unwrap());
    let archive = folder.path().join("x.tar");
    let original = Container::run("eight", &["-v", "eight-data:/data"], COUNT);
    let names: Vec<String> = (1..=8).map(|number| format!("eight-data-eight-{number}")).collect();
    let _volumes: Vec<_> = names.iter().map(String::as_str).chain(["eight-data"]).map(Volume::named).collect();
    ckpt(&["checkpoint", "eight", "-R", "-e", text(&archive)]);
    let criu = criu_that_fails_seventh(restored.path());
    let world = World::at_rest(folder.path());
    let output = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["restore", "-i", text(&archive), "--count", "8"])
        .env("PATH", path_with(criu.path()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 7);
    let said = String::from_utf8(output.stderr).unwrap();
    let failed = said.lines().filter_map(|line| line.strip_prefix("Error: ")?.split_once(": "));
    let [(failed, _)] = failed.collect::<Vec<_>>()[..] else { panic!("{said}") };
    let copies = copies_of("eight", 8);
    for (copy, volume) in copies.iter().zip(&names) {
        let is_there = copy.name != failed;
        assert_eq!(exists(copy), is_there, "{}", copy.name);
        assert_eq!(run("podman", &["volume", "exists", volume]).status.success(), is_there, "{volume}");
        assert!(!is_there || copy.goes_on(), "{}", copy.name);
    }
    assert!(original.goes_on());
    drop(copies);
    names.iter().for_each(|name| drop(run("podman", &["volume", "rm", "--force", name])));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_interrupt_removes_those_that_are_not_ready() {
    let folder = folder();
    let original = Container::run("stopped", &[], COUNT);
    let world = World::at_rest(folder.path());
    let arguments = ["fork", "stopped", "--count", "4", "--jobs", "2", "--exec", "[ $CKPT_NUMBER = 1 ] || sleep 1000"];
    let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(ckpt.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("stopped-1 "), "{line}");
    let copies = copies_of("stopped", 4);
    wait_for("the others to be at it", || copies[1..3].iter().all(sleeps).then_some(()));
    rustix::process::kill_process(rustix::process::Pid::from_child(&ckpt), rustix::process::Signal::INT).unwrap();
    let output = ckpt.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(copies.iter().map(exists).collect::<Vec<_>>(), [true, false, false, false]);
    assert!(copies[0].goes_on() && original.goes_on());
    copies[0].remove();
    world.assert_same(folder.path());
}

fn sleeps(container: &Container) -> bool {
    let listed = run("podman", &["exec", &container.name, "ps"]).stdout;
    String::from_utf8_lossy(&listed).contains("sleep 1000")
}
