//! What was measured on: numbers without it mean little.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::Result;
use rustix::system::uname;
use serde::{Deserialize, Serialize};

use super::program;

/// The host's part, and the versions of the programs in the lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Of the last minute, when the run began: others may use the machine, too.
    pub(crate) load: String,
    pub(crate) podman: String,
    pub(crate) criu: String,
}

impl Machine {
    /// Asks inside the lab, whose podman and CRIU are measured.
    pub(crate) fn look() -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: uname().release().to_string_lossy().into_owned(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            podman: last_word(&program::run(Command::new("podman").arg("--version"))?),
            criu: last_word(&program::run(Command::new("criu").arg("--version"))?),
        })
    }

    pub(crate) fn line(&self) -> String {
        let Self { cores, kernel, load, podman, criu } = self;
        format!("{cores} cores (load {load}), Linux {kernel}, podman {podman}, CRIU {criu}")
    }
}

/// The commit that was built, marked if the tree has changes; nothing outside of git.
pub(crate) fn commit(checkout: &Path) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(checkout).args(["describe", "--always", "--dirty", "--abbrev=10"]);
    program::run(&mut git).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn last_word(line: &str) -> String {
    let first = line.lines().next().unwrap_or_default();
    first.split_whitespace().next_back().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_last_word_of_the_first_line() {
        assert_eq!(last_word("podman version 5.4.2\n"), "5.4.2");
        assert_eq!(last_word("Version: 4.1.1\nGitID: v4\n"), "4.1.1");
        assert_eq!(last_word(""), "");
    }
}
