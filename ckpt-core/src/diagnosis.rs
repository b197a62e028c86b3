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
    let said = match logged.or_else(criu_check) {
        Some(reason) => format!("{words} (criu: {reason})"),
        None => words.to_owned(),
    };
    match ADVICE.into_iter().find(|(complaint, _)| said.contains(complaint)) {
        Some((_, advice)) => format!("{said}: {advice}"),
        None => said,
    }
}

/// What to do about complaints that do not say it themselves, as those about `--tcp-established` and `--file-locks` do.
const ADVICE: [(&str, &str); 3] = [
    // Linux 6.16 has SO_PASSCRED (option 16) for sockets of few families only (CRIU, issue 2705).
    ("Can't get 1:16 opt", "this CRIU cannot dump sockets on this kernel, 4.2 or newer can"),
    // runc 1.1 restores a clone into the original's cgroup, and CRIU then freezes a cgroup that its tasks are not in.
    ("Unseizable non-zombie", "is it a clone that podman made with runc? ckpt gives clones a cgroup of their own"),
    // podman notes the address of a container that it makes before it notes the container's network: killed between the
    // two, it never gives the address back.
    (
        "is already allocated to container ID",
        "take another address (--ignore-static-ip); if no container has this one, a killed podman left it noted until \
         the next boot",
    ),
];

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

    #[test]
    fn an_address_that_is_taken_can_be_another_one() {
        let words = "IPAM error: requested ip address 10.88.0.2 is already allocated to container ID ab";
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("restore.log"), "(0.1) Error (criu/x.c:1): gone\n").unwrap();
        let said = of_restore(words, Some(folder.path()));
        assert!(said.starts_with(words) && said.contains("--ignore-static-ip"), "{said}");
    }

    #[test]
    fn complaints_that_nobody_understands_come_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let log = "(0.2) Error (criu/sockets.c:640): sockets: Can't get 1:16 opt: Operation not supported\n";
        fs::write(folder.path().join("dump.log"), log).unwrap();
        assert_eq!(
            of_dump("exit status 1", folder.path()),
            "exit status 1 (criu: (criu/sockets.c:640): sockets: Can't get 1:16 opt: Operation not supported): \
             this CRIU cannot dump sockets on this kernel, 4.2 or newer can"
        );
    }
}
