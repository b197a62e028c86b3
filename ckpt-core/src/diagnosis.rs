//! Why podman, or CRIU below it, failed: one line that helps.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::external;

/// `words` of podman, with CRIU's reason if there is one: the dump's log, or `criu check`.
pub(crate) fn of_dump(words: &str, bundle: &Path) -> String {
    with_reason(words, last_errors(&bundle.join("dump.log")))
}

/// As [`of_dump`] for a restore.
pub(crate) fn of_restore(words: &str, bundle: Option<&Path>) -> String {
    with_reason(words, bundle.and_then(|bundle| last_errors(&bundle.join("restore.log"))))
}

fn with_reason(words: &str, logged: Option<String>) -> String {
    match logged.or_else(criu_check) {
        Some(reason) => format!("{words} (criu: {reason})"),
        None => words.to_owned(),
    }
}

/// Complaints that stand in the logs of restores that succeed.
const HARMLESS: [&str; 1] = ["rlimit: Can't setup RLIMIT_NOFILE"];

/// CRIU's first and last complaint in a log of its own.
fn last_errors(log: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(log).ok()?).into_owned();
    let is_cause = |line: &&str| !HARMLESS.iter().any(|harmless| line.contains(harmless));
    let errors = text.lines().filter_map(|line| Some(line.split_once("Error ")?.1.trim()));
    let errors: Vec<&str> = errors.filter(is_cause).collect();
    let reasons = match errors[..] {
        [] => return None,
        [only] => only.to_owned(),
        [first, .., last] => format!("{first}; {last}"),
    };
    Some(reasons)
}

/// What `criu check` complains of; nothing if it is happy.
fn criu_check() -> Option<String> {
    let output = external::run(Command::new("criu").arg("check")).ok()?;
    if output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaint = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(format!("`criu check` says {:?}", complaint.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logs_errors_are_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let log = "(0.1) fine\n(0.2) Error (criu/sk-inet.c:191): inet: Connected TCP socket\n(0.3) Error (x.c:1): Dumping FAILED.\n";
        fs::write(folder.path().join("dump.log"), log).unwrap();
        let said = of_dump("exit status 1", folder.path());
        assert_eq!(
            said,
            "exit status 1 (criu: (criu/sk-inet.c:191): inet: Connected TCP socket; (x.c:1): Dumping FAILED.)"
        );
    }
}
