//! `doctor`: what works on this host, and what to do about the rest. What can be tried is tried, not guessed.

mod kernel;
mod programs;
mod speed;
mod storage;

use std::path::Path;

use serde::Serialize;

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Something is slower, or one option does not work.
    Warning,
    /// No checkpoint or no restore is possible.
    Problem,
    /// It could not be found out.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; nothing where all is well.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Finding { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { check, verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { check, verdict: Verdict::Problem, found: found.into(), advice: Some(advice.into()) }
    }

    fn unknown(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { check, verdict: Verdict::Unknown, found: found.into(), advice: Some(advice.into()) }
    }
}

/// All findings.
#[derive(Clone, Debug, Serialize)]
pub struct Checkup {
    /// Whether checkpoints and restores are possible: no finding is a problem.
    pub fit: bool,
    /// In the order of a reader's interest.
    pub findings: Vec<Finding>,
}

/// Looks at this host, and at `folder` as a place for archives. Nothing is left behind.
pub fn examine(folder: &Path) -> Checkup {
    let is_root = rustix::process::geteuid().is_root();
    let mut findings = vec![root(is_root)];
    findings.extend(kernel::examine(folder));
    findings.extend(programs::examine(is_root));
    findings.extend(storage::examine(folder, is_root));
    let fit = findings.iter().all(|finding| finding.verdict != Verdict::Problem);
    Checkup { fit, findings }
}

fn root(is_root: bool) -> Finding {
    match is_root {
        true => Finding::ok("root", "yes"),
        false => {
            let uid = rustix::process::geteuid().as_raw();
            Finding::problem("root", format!("no, user {uid}"), "CRIU and the storage are root's: try again with sudo")
        }
    }
}
