//! Names and words in archives are of whoever made them. A terminal gets characters of them, and no commands.

mod terminal;
mod unsafe_words;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use terminal::{Which, said};
use unsafe_words::{EVIL, assert_is_harmless};

/// A tar archive that looks like a checkpoint; every text in it is evil.
fn evil_checkpoint(folder: &Path, name: &str, content: &str) -> PathBuf {
    let config = json!({
        "id": format!("a{EVIL}"), "name": format!("n{EVIL}"), "rootfsImageID": format!("i{EVIL}"),
        "rootfsImageName": format!("image{EVIL}"), "runtime": format!("crun{EVIL}"), "labels": {EVIL: EVIL},
        "conmonPidFile": format!("/run/{EVIL}"), "secrets": [{"name": EVIL}],
        "portMappings": [{"host_ip": EVIL, "container_port": 80, "host_port": 80, "protocol": EVIL, "range": 1}],
    });
    let spec = json!({
        "hostname": EVIL, "annotations": {format!("run.oci.hooks.stdout{EVIL}"): EVIL, EVIL: EVIL},
        "mounts": [{"destination": EVIL, "type": "bind", "source": format!("/{EVIL}"), "options": [EVIL]}],
        "linux": {"sysctl": {EVIL: EVIL}, "cgroupsPath": EVIL,
                  "namespaces": [{"type": EVIL, "path": format!("/{EVIL}")}]},
        "hooks": {"prestart": [{"path": EVIL, "args": [EVIL]}]},
    });
    let manifest = json!({
        "format_version": 1, "tool": EVIL, "created": EVIL, "flags": [EVIL], "sockets": [EVIL],
        "special_volumes": [EVIL],
        "versions": {"podman": EVIL, "runtime": EVIL, "criu": EVIL, "kernel": EVIL},
        "save": {"id": EVIL, "sequence": 1, "tags": [EVIL], "note": EVIL},
    });
    let path = folder.join(name);
    let mut archive = tar::Builder::new(File::create(&path).unwrap());
    add(&mut archive, "config.dump", &text(&config));
    add(&mut archive, "spec.dump", &text(&spec));
    add(&mut archive, "ckpt.json", &text(&manifest));
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    archive.append_data(&mut header, "checkpoint/", &[][..]).unwrap();
    add(&mut archive, "checkpoint/inventory.img", "");
    add(&mut archive, "deleted.files", &json!([format!("/{EVIL}"), "../x"]).to_string());
    add(&mut archive, &format!("part{EVIL}"), content);
    let mut diff = tar::Builder::new(Vec::new());
    add(&mut diff, &format!("etc{EVIL}"), content);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_username(&EVIL[..8]).unwrap();
    diff.append_link(&mut header, format!("link{EVIL}"), format!("../{EVIL}")).unwrap();
    fs::write(folder.join("diff.tar"), diff.get_ref()).unwrap();
    add(&mut archive, "rootfs-diff.tar", &String::from_utf8(diff.into_inner().unwrap()).unwrap());
    archive.into_inner().unwrap();
    path
}

fn add(archive: &mut tar::Builder<impl std::io::Write>, name: &str, data: &str) {
    let mut header = tar::Header::new_ustar();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, data.as_bytes()).unwrap();
}

fn text(json: &Value) -> String {
    json.to_string()
}

fn ckpt(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    command.args(arguments).args(["--color", "never"]).current_dir(folder);
    command
}

#[test]
fn no_command_passes_on_what_an_archive_says_to_a_terminal() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    evil_checkpoint(folder, "x.tar", "old");
    evil_checkpoint(folder, "y.tar", "newer");
    fs::create_dir_all(folder.join(format!("tree/{EVIL}"))).unwrap();
    fs::write(folder.join(format!("tree/{EVIL}/file")), "text").unwrap();
    std::os::unix::net::UnixListener::bind(folder.join("tree/s\x1b\u{202e}")).unwrap();
    fs::create_dir(folder.join("out")).unwrap();
    let mut cut = fs::read(folder.join("x.tar")).unwrap();
    cut.truncate(cut.len() - 2500);
    fs::write(folder.join(format!("cut{EVIL}.tar")), cut).unwrap();
    let evil_file = format!("cut{EVIL}.tar");
    let commands: &[&[&str]] = &[
        &["ls", "x.tar"],
        &["ls", "-l", "x.tar"],
        &["ls", "-l", "diff.tar"],
        &["unpack", "diff.tar", "-C", "out"],
        &["ls", "--format", "json", "x.tar"],
        &["verify", "x.tar"],
        &["verify", &evil_file],
        &["verify", "--aligned", "x.tar"],
        &["verify", "--format", "json", &evil_file],
        &["inspect", "x.tar"],
        &["inspect", "x.tar", "--format", "json"],
        &["inspect", &evil_file],
        &["diff", "x.tar", "y.tar"],
        &["diff", "x.tar", "y.tar", "--format", "json"],
        &["dedup", "x.tar", "y.tar"],
        &["dedup", "x.tar", "y.tar", "--format", "json"],
        &["unpack", "-v", "x.tar", "-C", "out"],
        &["unpack", "-v", &evil_file, "-C", "out"],
        &["align", "x.tar", "z.tar"],
        &["pack", "-v", "tree", "-f", "packed.tar"],
        &["pack", "-v", EVIL, "-f", "packed.tar"],
        &["restore", "-i", "x.tar"],
        &["restore", "-i", EVIL],
        &["push", "x.tar", EVIL],
        &["layers", EVIL],
        &["checkpoint", EVIL, "-e", "n.tar"],
        &["history", EVIL],
        &["rm", EVIL],
        &["doctor", EVIL],
        &["--json-schema", EVIL],
        &[EVIL],
        &["--log-level", "trace", "inspect", &evil_file],
        &["--log-level", "trace", "--log-format", "json", "align", &evil_file, "n.tar"],
    ];
    for arguments in commands {
        let mut command = match arguments[0] {
            "--json-schema" => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
                command.args(*arguments).current_dir(folder);
                command
            }
            _ => ckpt(folder, arguments),
        };
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert_is_harmless(&format!("{arguments:?}"), &said);
    }
}

/// Lines of tables and help end where the terminal does.
#[test]
fn sixty_columns_are_enough() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.path();
    evil_checkpoint(folder, "x.tar", "old");
    let mut commands = vec![vec!["inspect", "x.tar"], vec!["doctor"], vec!["--help"]];
    commands.extend(["checkpoint", "restore", "fork", "prune", "serve", "pack"].map(|name| vec![name, "--help"]));
    for arguments in commands {
        let (said, _) = said(60, Which::Both, ckpt(folder, &arguments));
        let too_long: Vec<&str> =
            said.lines().filter(|line| line.trim_end().chars().count() > 60 && !line.starts_with("Usage: ")).collect();
        assert!(said.lines().count() > 5 && too_long.is_empty(), "{arguments:?}: {too_long:#?}");
    }
}

#[test]
fn words_are_coloured_for_those_who_want_it() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let is_colored = |arguments: &[&str], environment: &[(&str, &str)], at_a_terminal: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        command.args(arguments).current_dir(folder.path()).env("TERM", "xterm");
        command.env_remove("NO_COLOR").env_remove("CLICOLOR").env_remove("CLICOLOR_FORCE").env_remove("CI");
        command.envs(environment.iter().copied());
        let said = match at_a_terminal {
            true => said(80, Which::Stderr, command).0,
            false => String::from_utf8(command.output().unwrap().stderr).unwrap(),
        };
        assert!(said.contains("rror:"), "{said}");
        said.contains("\x1b[")
    };
    for line in [&["ls", "none.tar"][..], &["nonsense"]] {
        let with = |word| [&["--color", word], line].concat();
        assert!(is_colored(line, &[], true), "{line:?}");
        assert!(!is_colored(line, &[], false), "{line:?}");
        assert!(!is_colored(line, &[("NO_COLOR", "1")], true), "{line:?}");
        assert!(!is_colored(line, &[("CLICOLOR", "0")], true), "{line:?}");
        assert!(is_colored(line, &[("CLICOLOR_FORCE", "1")], false), "{line:?}");
        assert!(is_colored(&with("always"), &[("NO_COLOR", "1")], false), "{line:?}");
        assert!(!is_colored(&with("never"), &[("CLICOLOR_FORCE", "1")], true), "{line:?}");
    }
}
