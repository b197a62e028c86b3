//! The versions of the programs that take part, remembered until a program changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::archive::manifest::Versions;
use crate::host::{programs, session};

/// The oldest podman whose answers are understood, and the newest that was tried, by their major numbers.
pub(crate) const OLDEST: u32 = 4;
pub(crate) const NEWEST: u32 = 5;

/// Where the answers are kept until the next boot. Three programs that start cost some 40 ms, a fifth of a checkpoint.
const FILE: &str = "versions.json";

/// What `--version` printed, by the program's path, time and size.
type Known = BTreeMap<String, String>;

/// Asks, or remembers. A program that does not answer has an empty version: no checkpoint should fail over its label.
pub(crate) fn ask(podman: &Path, runtime: &str) -> Versions {
    remembering(|ask| Versions {
        podman: podmans(ask(&podman.to_string_lossy())),
        runtime: ask(runtime),
        criu: ask("criu").trim_start_matches("Version: ").to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
    })
}

/// podman's own, as `5.4.2`; empty if it does not answer.
pub(crate) fn of_podman(podman: &Path) -> String {
    remembering(|ask| podmans(ask(&podman.to_string_lossy())))
}

fn podmans(first_line: String) -> String {
    first_line.trim_start_matches("podman version ").to_owned()
}

/// Major and minor of the first word of `text` that is a version.
pub(crate) fn numbers(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let (major, rest) = word.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((major.trim_start_matches('v').parse().ok()?, minor.parse().ok()?))
    })
}

/// Has `work` ask programs, by their paths or names, for the first line of their `--version`.
fn remembering<T>(work: impl FnOnce(&mut dyn FnMut(&str) -> String) -> T) -> T {
    let mut known = load().unwrap_or_default();
    let before = known.len();
    let done = work(&mut |program| first_line(program, &mut known));
    if known.len() > before {
        // Nothing depends on it; the next run asks again.
        let _ = store(&known);
    }
    done
}

fn first_line(program: &str, known: &mut Known) -> String {
    let Ok(path) = programs::find(program) else { return String::new() };
    let Ok(metadata) = path.metadata() else { return String::new() };
    let key = format!("{}:{}.{:09}:{}", path.display(), metadata.mtime(), metadata.mtime_nsec(), metadata.size());
    let ask = || {
        let output = programs::run(Command::new(&path).arg("--version"));
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    known.entry(key).or_insert_with(ask).clone()
}

fn load() -> io::Result<Known> {
    Ok(serde_json::from_slice(&fs::read(Path::new(session::SESSIONS).join(FILE))?)?)
}

/// Written beside and renamed: another checkpoint may be reading.
fn store(known: &Known) -> Result<(), Box<dyn std::error::Error>> {
    session::make_sessions_folder()?;
    let beside = tempfile::NamedTempFile::new_in(session::SESSIONS)?;
    serde_json::to_writer(&beside, known)?;
    beside.persist(Path::new(session::SESSIONS).join(FILE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, expected) in [
            ("podman version 5.4.2", Some((5, 4))),
            ("6.0.0-dev", Some((6, 0))),
            ("Version: 4.1.1", Some((4, 1))),
            ("runc version 1.1.15+ds1", Some((1, 1))),
            ("crun v1.21-dev", Some((1, 21))),
            ("no version", None),
            ("", None),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn a_program_is_asked_again_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let mut known = Known::new();
        for (text, asked) in [("one", 1), ("one", 1), ("another", 2)] {
            fs::write(&program, format!("#!/bin/sh\necho {text}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            fs::File::options().write(true).open(&program).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(first_line(&program.to_string_lossy(), &mut known), text);
            assert_eq!(known.len(), asked);
        }
        assert_eq!(first_line("no-such-program", &mut known), "");
    }
}
