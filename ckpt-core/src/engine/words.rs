//! The English of podman and of the runtimes below it, as far as anything is decided by it or told in other words.

use std::os::unix::process::ExitStatusExt;

use crate::criu::diagnosis::Known;
use crate::host::child::Said;

/// Complaints with what to say instead, and the version that was seen to complain so.
const COMPLAINTS: [(&str, &str, &str); 2] = [
    // netavark 1.14 under podman 5.4.2. podman notes the address of a container that it makes before it notes the
    // container's network: killed between the two, it never gives the address back.
    (
        "is already allocated to container ID",
        "its address is taken",
        "take another address (--ignore-static-ip); if no container has this one, a killed podman left it noted until \
         the next boot",
    ),
    // netavark 1.14 and podman 5.4.2, of a host port.
    ("address already in use", "a host port that it publishes is taken", "publish others (--publish)"),
];

pub(super) fn known(words: &str) -> Option<Known> {
    let (_, reason, advice) = COMPLAINTS.into_iter().find(|(complaint, ..)| words.contains(complaint))?;
    Some(Known { reason: reason.to_owned(), advice: Some(advice) })
}

/// Why podman failed, in its own last words.
pub(crate) fn why_it_failed(said: &Said) -> String {
    match said.status.signal() {
        Some(signal) => format!("podman was killed by signal {signal}"),
        None => last_words(&said.stderr),
    }
}

/// What podman says last is why it failed; where that is only that a program did, with what the program said.
pub(crate) fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.next().unwrap_or("it failed without a word").trim_start_matches("Error: ");
    match lines.next() {
        Some(said) if last.contains(" failed: exit status ") => format!("{last}: {said}"),
        _ => last.to_owned(),
    }
}

/// The same without what only fills the line: command lines in backquotes lose their options, CRIU's log its path, which
/// is told elsewhere, and IDs their last 52 digits.
pub(crate) fn shorten(words: &str) -> String {
    let words = match words.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?))) {
        Some((before, (command, after))) if after.contains(" failed: exit status ") => {
            let said =
                after.trim_start_matches(" failed: exit status ").trim_start_matches(|char: char| char.is_numeric());
            format!("{before}{}{said}", short_command(command))
        }
        _ => words.to_owned(),
    };
    short_ids(&without_log(&words))
}

/// `crun checkpoint of ID`, of the runtime's whole command line.
fn short_command(command: &str) -> String {
    let mut parts = command.split_whitespace();
    let program = parts.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let verb = parts.clone().find(|part| matches!(*part, "checkpoint" | "restore" | "start" | "create" | "delete"));
    match (verb, parts.next_back()) {
        (Some(verb), Some(container)) => format!("{program} {verb} of {container}"),
        _ => program.to_owned(),
    }
}

/// crun 1.21 names CRIU's log in the middle: `CRIU checkpointing failed -52.  Please check CRIU logfile PATH: …`, and in
/// backquotes where it restores.
fn without_log(words: &str) -> String {
    let Some((before, after)) = words.split_once(".  Please check CRIU logfile ") else { return words.to_owned() };
    let rest = after.split_once(".log").map_or("", |(_, rest)| rest.trim_start_matches('`'));
    format!("{before}{rest}")
}

fn short_ids(words: &str) -> String {
    let is_id = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words
        .split_inclusive(|char: char| !char.is_ascii_alphanumeric())
        .map(|word| match word.get(..64).filter(|id| word.len() <= 65 && is_id(id)) {
            Some(id) => format!("{}{}", &id[..12], &word[64..]),
            None => word.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "512da5c350cd03c0f5574131a9cd99f7a0583dbde54319867b3b65e86832390c";

    #[test]
    fn the_last_line_tells_the_reason() {
        assert_eq!(
            last_words(b"time=\"x\" level=warning\nError: no such container \"x\"\n\n"),
            "no such container \"x\""
        );
        assert_eq!(last_words(b""), "it failed without a word");
    }

    #[test]
    fn a_programs_failure_comes_with_its_words() {
        let stderr =
            b"Can't read request\nCRIU checkpointing failed -70\nError: `crun checkpoint x` failed: exit status 1\n";
        assert_eq!(last_words(stderr), "`crun checkpoint x` failed: exit status 1: CRIU checkpointing failed -70");
    }

    /// podman 5.4.2 with crun 1.21 and runc 1.1.15.
    #[test]
    fn command_lines_log_paths_and_ids_are_shortened() {
        let cases = [
            (
                format!(
                    "`/usr/bin/crun checkpoint --image-path /g/{ID}/userdata/checkpoint {ID}` failed: exit status 1: CRIU checkpointing failed -52.  Please check CRIU logfile /g/{ID}/userdata/dump.log: Invalid exchange"
                ),
                "crun checkpoint of 512da5c350cd: CRIU checkpointing failed -52: Invalid exchange",
            ),
            (
                format!(
                    "OCI runtime error: crun: CRIU restoring failed -52.  Please check CRIU logfile `/g/{ID}/userdata/restore.log`"
                ),
                "OCI runtime error: crun: CRIU restoring failed -52",
            ),
            (
                format!(
                    "`/usr/bin/runc checkpoint --image-path /g/{ID} {ID}` failed: exit status 1: criu failed: type NOTIFY errno 0"
                ),
                "runc checkpoint of 512da5c350cd: criu failed: type NOTIFY errno 0",
            ),
            (format!("container {ID} is paused"), "container 512da5c350cd is paused"),
            ("`a` and `b` are names".to_owned(), "`a` and `b` are names"),
        ];
        for (words, expected) in cases {
            assert_eq!(shorten(&words), expected);
        }
    }
}
