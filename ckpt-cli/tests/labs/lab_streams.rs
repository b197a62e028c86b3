//! Archives that come and go through pipes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

/// Runs a script of bash, in which `ckpt` is the program under test and a pipeline fails with any of its parts.
fn bash(script: &str) -> Output {
    let script = format!("set -o pipefail; ckpt() {{ {} \"$@\"; }}; {script}", env!("CARGO_BIN_EXE_ckpt"));
    run("bash", &["-c", &script])
}

fn bash_succeeds(script: &str) -> String {
    let output = bash(script);
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn counting(name: &str, runtime: &str) -> Container {
    let container = Container::run(name, &["--runtime", runtime], COUNT);
    container.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    container
}

/// Nothing of podman's and nothing of ours.
fn assert_nothing_left() {
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "");
    let folders =
        fs::read_dir("/run/ckpt/sessions").unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    // The folder that conmon has for its TMPDIR, and that of notes on memory which comes later, are for all.
    let of_all = |path: &PathBuf| path.ends_with("tmp") || path.ends_with("memory");
    let sessions: Vec<PathBuf> = folders.filter(|path| !of_all(path)).collect();
    assert_eq!(sessions, Vec::<PathBuf>::new());
}

fn from_stdout_to_stdin(runtime: &str) {
    let original = counting("piped", runtime);
    let checksum = original.exec("sha256sum < /srv/large");
    let clone = Container::named("piped-clone");
    for compression in ["none", "zstd"] {
        let printed = bash_succeeds(&format!(
            "ckpt checkpoint piped -e - -R --compress {compression} | ckpt restore -i - -n piped-clone --print-stats"
        ));
        let moved = statistics(&printed);
        assert!(moved["cloned_bytes"].as_u64().unwrap() >= 2_999_000, "{compression}: {moved}");
        assert_eq!(clone.exec("sha256sum < /srv/large"), checksum);
        assert_consecutive(&clone.wait_for_numbers(5));
        clone.remove();
    }
    assert!(original.is_running());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn from_stdout_to_stdin_runc() {
    from_stdout_to_stdin("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_from_stdout_to_stdin_crun() {
    from_stdout_to_stdin("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_archives_are_read_from_whatever_can_be_read() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let clone = Container::named("read-clone");
    let original = counting("read", "runc");
    original.checkpoint_and_remove(&archive);
    let shown = archive.display();
    let fifo = folder.path().join("fifo").display().to_string();
    for input in [
        format!("cat {shown} | ckpt restore -i -"),
        format!("ckpt restore -i - < {shown}"),
        format!("gzip < {shown} | ckpt restore -i -"),
        format!("ckpt restore -i <(cat {shown})"),
        // What a command before it has read is not part of the archive.
        format!("(echo line; cat {shown}) > {shown}2; (read line; ckpt restore -i -) < {shown}2"),
        format!("mkfifo {fifo}; (sleep 0.3; cat {shown} > {fifo}) & ckpt restore -i {fifo}"),
    ] {
        bash_succeeds(&input.replace("restore -i", "restore -n read-clone -i"));
        assert_consecutive(&clone.wait_for_numbers(5));
        assert_eq!(clone.exec("wc -c < /srv/large"), "3000000", "{input}");
        clone.remove();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_stream_that_breaks_off_leaves_nothing() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = counting("broken", "runc");
    original.checkpoint_and_remove(&archive);
    let shown = archive.display();
    for (input, words) in [
        (format!("head -c 2000000 {shown}"), "truncated"),
        (format!("head -c -1024 {shown}"), "truncated"),
        (format!("gzip < {shown} | head -c 10000"), "cut off"),
        ("true".to_owned(), "truncated"),
        ("yes".to_owned() + " | head -c 100000", "not a tar archive"),
    ] {
        let output = bash(&format!("{input} | ckpt restore -i -"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("Error: standard input") && said.contains(words), "{input}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_nothing_left();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_reader_that_goes_away_costs_no_container() {
    let original = counting("unheard", "crun");
    for options in ["", "--compress zstd"] {
        let output = bash(&format!("ckpt checkpoint unheard -e - {options} | head -c 1000 > /dev/null"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("standard output: Broken pipe") && said.contains("was restored and runs"), "{said}");
        assert!(original.is_running());
    }
    assert_consecutive(&original.numbers());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_one_interrupt_ends_the_wait_for_a_reader() {
    let original = counting("stalled", "runc");
    for options in [&[][..], &["--compress", "gzip"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
            .args(["checkpoint", "stalled", "-e", "-"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The reader takes the first byte, and then no more.
        let mut reader = child.stdout.take().unwrap();
        reader.read_exact(&mut [0]).unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let status = wait_for("the end of ckpt", || child.try_wait().unwrap());
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("interrupted") && said.contains("was restored and runs"), "{said}");
        assert!(original.is_running());
    }
    assert_consecutive(&original.numbers());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_terminals_get_and_give_no_archive() {
    let original = counting("typed", "runc");
    for (arguments, words) in
        [("checkpoint typed -e -", "nothing for a terminal"), ("restore -i -", "expected on standard input")]
    {
        let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_ckpt"));
        let output = run("script", &["--quiet", "--return", "--command", &command, "/dev/null"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
    assert!(original.is_running());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_name_says_how_to_compress_unless_an_option_does() {
    let folder = folder();
    let original = counting("named", "runc");
    for (name, options, kind) in [
        ("a.tar", &[][..], "tar"),
        ("a.tar.zst", &[][..], "zstd"),
        ("a.tar.gz", &[][..], "gzip"),
        ("a.tgz", &[][..], "gzip"),
        ("b.tar.zst", &["--compress", "none"][..], "tar"),
        ("b.tgz", &["-c", "zstd"][..], "zstd"),
        ("b.tar", &["-c", "gzip"][..], "gzip"),
    ] {
        let archive = folder.path().join(name);
        ckpt(&[&["checkpoint", "named", "-R", "-e", text(&archive)], options].concat());
        assert_eq!(kind_of(&archive), kind, "{name} {options:?}");
    }
    assert_consecutive(&original.numbers());
}

fn kind_of(archive: &Path) -> &'static str {
    let bytes = fs::read(archive).unwrap();
    match bytes[..4] {
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
        [0x1f, 0x8b, ..] => "gzip",
        _ if &bytes[257..262] == b"ustar" => "tar",
        _ => "something else",
    }
}
