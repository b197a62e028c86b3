//! `doctor`: what works on this host, and what to do about the rest. What can be tried is tried, not guessed.

mod finding;
mod kernel;
mod programs;
mod sockets;
mod speed;
mod storage;

use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::host::interrupt::{Interrupt, interrupted};
pub use finding::{Finding, Verdict};

/// All findings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Checkup {
    /// Whether checkpoints and restores are possible: no finding is a problem.
    pub fit: bool,
    /// In the order of a reader's interest.
    pub findings: Vec<Finding>,
}

/// Looks at this host, and at `folder` as a place for archives. Nothing is left behind.
///
/// # Errors
/// That the `interrupt` was raised: what would have been found is not known then.
pub fn examine(folder: &Path, interrupt: Option<&Interrupt>) -> io::Result<Checkup> {
    let is_root = rustix::process::geteuid().is_root();
    let mut findings = vec![root(is_root)];
    findings.extend(kernel::examine(folder));
    findings.extend(programs::examine(is_root, interrupt));
    findings.extend(storage::examine(folder, is_root, interrupt));
    if interrupt.is_some_and(Interrupt::is_raised) {
        return Err(interrupted());
    }
    let fit = findings.iter().all(|finding| finding.verdict != Verdict::Problem);
    Ok(Checkup { fit, findings })
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
