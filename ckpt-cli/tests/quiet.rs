//! What is said on standard error where no person looks on: nothing, as long as all goes well.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Everything that works without podman, in an order in which each finds what it needs.
const COMMANDS: [&[&str]; 3] =
    [&["pack", "tree", "-f", "x.tar"], &["align", "x.tar", "y.tar"], &["unpack", "y.tar", "-C", "target"]];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir_all(folder.path().join("tree")).unwrap();
    fs::create_dir_all(folder.path().join("target")).unwrap();
    fs::write(folder.path().join("tree/file"), "text").unwrap();
    folder
}

/// Runs `ckpt`, its standard error a pipe.
fn said_to_a_pipe(folder: &Path, arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_ckpt")).args(arguments).current_dir(folder).output().unwrap();
    assert!(run.status.success(), "{arguments:?}");
    String::from_utf8([run.stdout, run.stderr].concat()).unwrap()
}

/// Runs `ckpt`, its standard error a terminal.
fn said_to_a_terminal(folder: &Path, arguments: &[&str]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let stderr = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(stderr);
    assert!(command.status().unwrap().success(), "{arguments:?}");
    drop(command);
    let mut said = Vec::new();
    // read(2) gives EIO once nobody has the terminal open.
    let _ = File::from(terminal).read_to_end(&mut said);
    String::from_utf8(said).unwrap()
}

#[test]
fn without_a_terminal_nothing_is_said_of_success() {
    let folder = folder();
    for command in COMMANDS {
        assert_eq!(said_to_a_pipe(folder.path(), command), "", "{command:?}");
    }
}

#[test]
fn on_a_terminal_and_on_request_one_line_says_what_was_done() {
    let folder = folder();
    for command in COMMANDS {
        let on_request = said_to_a_pipe(folder.path(), &[command, &["-v"]].concat());
        assert!(on_request.contains(" cloned, ") && on_request.lines().count() == 1, "{on_request}");
        let on_request = said_to_a_pipe(folder.path(), &[&["--verbose"], command].concat());
        assert!(on_request.contains(" cloned, "), "{on_request}");
        let to_a_person = said_to_a_terminal(folder.path(), command);
        assert!(to_a_person.contains(" cloned, "), "{to_a_person}");
    }
}
