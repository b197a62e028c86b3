//! The versions of the programs that take part, remembered until a program changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive::manifest::{HostVersions, Versions};
use crate::host::interrupt::Interrupt;
use crate::host::programs::{self, ProgramError};
use crate::host::session;

/// The oldest podman whose answers are understood, and the newest that was tried, by their major numbers.
pub(crate) const OLDEST: u32 = 4;
pub(crate) const NEWEST: u32 = 5;

/// Where the answers are kept until the next boot. Three programs that start cost some 40 ms, a fifth of a checkpoint.
const FILE: &str = "versions.json";

/// What says which OCI runtime podman takes.
const SETTINGS: [&str; 4] = [
    "/usr/share/containers/containers.conf",
    "/etc/containers/containers.conf",
    "/etc/containers/containers.conf.d",
    "/root/.config/containers/containers.conf",
];

/// What programs answered, by path, time and size: first lines of `--version`, and what CRIU can.
type Known = BTreeMap<String, String>;

/// Asks, or remembers. A program that does not answer has an empty version: no checkpoint should fail over its label.
///
/// # Errors
/// [`ProgramError::Interrupted`], and no other.
pub(crate) fn ask(podman: &Path, runtime: &str, interrupt: Option<&Interrupt>) -> Result<Versions, ProgramError> {
    remembering(|known| {
        let mut ask = |program: &str| first_line(program, known, interrupt);
        Ok(Versions {
            podman: podmans(ask(&podman.to_string_lossy())?),
            runtime: ask(runtime)?,
            criu: ask("criu")?.trim_start_matches("Version: ").to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            host: None,
        })
    })
}

/// What podman says of the host: asked by `ask`, or remembered until podman, its settings, or conmon change. None where it
/// does not answer.
pub(crate) fn of_host(podman: &Path, ask: impl FnOnce() -> Option<HostVersions>) -> Option<HostVersions> {
    let conmon = programs::find("conmon").ok();
    let settings = SETTINGS.iter().map(PathBuf::from);
    let files = [Some(podman.to_owned()), conmon].into_iter().flatten().chain(settings);
    let key = format!("{}:host", files.filter_map(|file| key_of(&file)).collect::<Vec<_>>().join(" "));
    let remembered = remembering(|known| {
        if let Some(host) = known.get(&key).and_then(|text| serde_json::from_str(text).ok()) {
            return Ok(Some(host));
        }
        let host = ask();
        let text = host.as_ref().and_then(|host| serde_json::to_string(host).ok());
        known.extend(text.map(|text| (key, text)));
        Ok(host)
    });
    remembered.ok().flatten()
}

/// podman's own, as `5.4.2`; empty if it does not answer.
///
/// # Errors
/// As [`ask`].
pub(crate) fn of_podman(podman: &Path, interrupt: Option<&Interrupt>) -> Result<String, ProgramError> {
    remembering(|known| first_line(&podman.to_string_lossy(), known, interrupt).map(podmans))
}

/// Whether CRIU and the kernel can have memory come later: CRIU tries.
///
/// # Errors
/// As [`ask`].
pub(crate) fn has_lazy_pages(interrupt: Option<&Interrupt>) -> Result<bool, ProgramError> {
    const ANSWERS: [&str; 2] = ["no", "yes"];
    let Some(key) = programs::find("criu").ok().and_then(|path| key_of(&path)) else { return Ok(false) };
    let key = format!("{key}:uffd-noncoop");
    remembering(|known| {
        if let Some(answer) = known.get(&key) {
            return Ok(answer == ANSWERS[1]);
        }
        let tried = programs::run(Command::new("criu").args(["check", "--feature", "uffd-noncoop"]), interrupt)?;
        let has = tried.status.success();
        known.insert(key, ANSWERS[usize::from(has)].to_owned());
        Ok(has)
    })
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

/// Has `work` look at what is known, and keeps what it adds.
fn remembering<T>(work: impl FnOnce(&mut Known) -> Result<T, ProgramError>) -> Result<T, ProgramError> {
    let mut known = load().unwrap_or_default();
    let before = known.len();
    let done = work(&mut known);
    if known.len() > before {
        // Nothing depends on it; the next run asks again.
        let _ = store(&known);
    }
    done
}

/// What the program, by its path or name, prints first of its `--version`.
fn first_line(program: &str, known: &mut Known, interrupt: Option<&Interrupt>) -> Result<String, ProgramError> {
    let Ok(path) = programs::find(program) else { return Ok(String::new()) };
    let Some(key) = key_of(&path) else { return Ok(String::new()) };
    if let Some(line) = known.get(&key) {
        return Ok(line.clone());
    }
    let text = match programs::run(Command::new(&path).arg("--version"), interrupt) {
        Err(interrupted @ ProgramError::Interrupted { .. }) => return Err(interrupted),
        output => output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default(),
    };
    let line = text.lines().next().unwrap_or_default().to_owned();
    known.insert(key, line.clone());
    Ok(line)
}

/// A program as it is now.
fn key_of(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    Some(format!("{}:{}.{:09}:{}", path.display(), metadata.mtime(), metadata.mtime_nsec(), metadata.size()))
}

fn load() -> io::Result<Known> {
    Ok(serde_json::from_slice(&fs::read(Path::new(session::SESSIONS).join(FILE))?)?)
}

/// Writes a new file and renames it over the old one: another checkpoint may be reading that.
fn store(known: &Known) -> Result<(), Box<dyn std::error::Error>> {
    session::make_sessions_folder()?;
    let new = tempfile::NamedTempFile::new_in(session::SESSIONS)?;
    serde_json::to_writer(&new, known)?;
    new.persist(Path::new(session::SESSIONS).join(FILE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
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
            assert_eq!(first_line(&program.to_string_lossy(), &mut known, None).unwrap(), text);
            assert_eq!(known.len(), asked);
        }
        assert_eq!(first_line("no-such-program", &mut known, None).unwrap(), "");
    }

    #[test]
    fn what_was_interrupted_is_not_remembered_as_an_answer() {
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        raiser.write_all(&[1]).unwrap();
        let mut known = Known::new();
        let asked = first_line("sh", &mut known, Some(&interrupt));
        assert!(matches!(asked, Err(ProgramError::Interrupted { .. })) && known.is_empty());
    }
}
