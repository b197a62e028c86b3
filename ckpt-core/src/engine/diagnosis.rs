//! Why podman, or CRIU below it, failed: the reason first, in words for people, and the programs' own words after it.
//!
//! Only English sentences in logs tell these reasons. Two tables hold all that are known, with the version in which
//! each was seen: `criu::diagnosis` and [`words`]. A sentence in neither is passed on as it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::words;
use crate::criu::diagnosis;
use crate::host::interrupt::Interrupt;
use crate::host::programs;

/// A failure of another program.
#[derive(Debug)]
pub struct Complaint {
    reason: String,
    advice: Option<String>,
    /// The programs' own words, a line each.
    words: Vec<String>,
}

impl Complaint {
    /// The programs' own words, and where there are more of them: a line each, for who wants to know exactly.
    pub fn details(&self) -> &[String] {
        &self.words
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)?;
        match &self.advice {
            Some(advice) => write!(formatter, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Complaint {}

/// The reason of a podman whose dump failed with `words`, and whose container has its bundle at `bundle`.
pub(crate) fn of_dump(words: &str, bundle: &Path, interrupt: Option<&Interrupt>) -> Complaint {
    complaint(words, Some(bundle.join("dump.log")), interrupt)
}

/// As [`of_dump`] for a restore, which may have failed before there was a bundle.
pub(crate) fn of_restore(words: &str, bundle: Option<&Path>, interrupt: Option<&Interrupt>) -> Complaint {
    complaint(words, bundle.map(|bundle| bundle.join("restore.log")), interrupt)
}

fn complaint(said_by_podman: &str, log: Option<PathBuf>, interrupt: Option<&Interrupt>) -> Complaint {
    let said = words::shorten(said_by_podman);
    let logged = log.as_deref().map(diagnosis::errors).unwrap_or_default();
    // podman knows best what it refused itself; where a program of its failed, that one does.
    let known = words::known(said_by_podman).or_else(|| logged.iter().find_map(|error| diagnosis::known(error)));
    let (reason, advice) = match (known, logged.first()) {
        (Some(known), _) => (known.reason, known.advice.map(str::to_owned)),
        (None, Some(first)) => (format!("CRIU says {:?}", diagnosis::without_place(first)), None),
        (None, None) => (criu_check(interrupt).unwrap_or_else(|| said.clone()), None),
    };
    let mut details = Vec::new();
    if said != reason {
        details.push(format!("podman: {said}"));
    }
    details.extend(diagnosis::first_and_last(&logged).map(|error| format!("criu: {error}")));
    if let Some(log) = log.filter(|_| !logged.is_empty()) {
        details.push(format!("criu's log, until the next attempt: {}", log.display()));
    }
    Complaint { reason, advice, words: details }
}

/// What `criu check` complains of; nothing if it is happy, or an interrupt leaves no time to ask.
fn criu_check(interrupt: Option<&Interrupt>) -> Option<String> {
    let output = programs::run(Command::new("criu").arg("check"), interrupt).ok()?;
    if output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaint = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(format!("CRIU does not work here, `criu check` says {:?}", complaint.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// crun 1.21 under podman 5.4.2, as it was printed.
    const CRUN: &str = "`/usr/bin/crun checkpoint --image-path /g/overlay-containers/512da5c350cd03c0f5574131a9cd99f7a0583dbde54319867b3b65e86832390c/userdata/checkpoint \
        --work-path /g/overlay-containers/512da5c350cd03c0f5574131a9cd99f7a0583dbde54319867b3b65e86832390c/userdata 512da5c350cd03c0f5574131a9cd99f7a0583dbde54319867b3b65e86832390c` failed: exit status 1: \
        CRIU checkpointing failed -52.  Please check CRIU logfile /g/overlay-containers/512da5c350cd03c0f5574131a9cd99f7a0583dbde54319867b3b65e86832390c/userdata/dump.log: Invalid exchange";

    fn with_log(words: &str, log: &str) -> (String, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("dump.log"), log).unwrap();
        let complaint = of_dump(words, folder.path(), None);
        (complaint.to_string(), complaint.details().to_vec())
    }

    #[test]
    fn the_reason_comes_first_and_the_programs_words_after_it() {
        let log = "(0.01) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n\
                   (0.2) Error (criu/files-reg.c:1165): trim failed: @link_remap.17@\n\
                   (0.3) Error (criu/files-reg.c:1031): Can't dump ghost file /tmp/b of 5242880 size, increase limit\n\
                   (0.4) Error (criu/cr-dump.c:2111): Dumping FAILED.\n";
        let (said, details) = with_log(CRUN, log);
        assert!(said.starts_with("/tmp/b is deleted but open, 5 MiB"), "{said}");
        assert!(!said.contains("512da5c3"), "{said}");
        assert_eq!(
            details[0],
            "podman: crun checkpoint of 512da5c350cd: CRIU checkpointing failed -52: Invalid exchange"
        );
        assert!(details[1].contains("ghost file") && details[2].contains("Dumping FAILED"), "{details:?}");
        assert!(details[3].ends_with("/dump.log") && details.len() == 4, "{details:?}");
    }

    #[test]
    fn an_unknown_reason_is_passed_on() {
        let (said, details) = with_log(CRUN, "(0.3) Error (criu/new.c:1): What a day\n");
        assert_eq!(said, "CRIU says \"What a day\"");
        assert_eq!(details[1], "criu: (criu/new.c:1): What a day");
    }

    #[test]
    fn podmans_own_refusals_need_no_log() {
        let words = "IPAM error: requested ip address 10.88.0.2 is already allocated to container ID ab";
        let complaint = of_restore(words, None, None);
        assert!(complaint.to_string().contains("--ignore-static-ip"), "{complaint}");
        assert_eq!(complaint.details(), [format!("podman: {words}")]);
    }
}
