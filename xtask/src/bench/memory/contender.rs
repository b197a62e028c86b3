//! Who does the same job.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contender {
    Ckpt,
    /// podman without an archive: the images stay where CRIU wrote them, nothing is synced.
    Local,
    /// The same, with clones in place of the images once they are written: what comes back from an archive without a copy
    /// is a clone, of which nothing is in the page cache.
    Cloned,
    /// podman with an uncompressed archive.
    Podman,
}

impl Contender {
    pub(super) const ALL: [Self; 4] = [Self::Ckpt, Self::Local, Self::Cloned, Self::Podman];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ckpt => "ckpt",
            Self::Local => "podman without an archive",
            Self::Cloned => "limit: the same, images cloned",
            Self::Podman => "podman --export --compress none",
        }
    }

    pub(super) fn checkpoint(self, container: &str, archive: &Path) -> Command {
        let mut command = self.verb("checkpoint");
        match self {
            Self::Ckpt => command.arg("--export").arg(archive),
            Self::Local | Self::Cloned => &mut command,
            Self::Podman => command.args(["--compress", "none", "--export"]).arg(archive),
        };
        command.arg(container);
        command
    }

    /// Under the old name. The images stay for a second time, with all: removing them takes as long as ever.
    pub(super) fn restore(self, container: &str, archive: &Path) -> Command {
        let mut command = self.verb("restore");
        command.arg("--keep");
        match self {
            Self::Local | Self::Cloned => command.arg(container),
            Self::Ckpt | Self::Podman => command.arg("--import").arg(archive),
        };
        command
    }

    /// Whether the container has to be gone before it is restored.
    pub(super) fn restores_anew(self) -> bool {
        matches!(self, Self::Ckpt | Self::Podman)
    }

    fn verb(self, verb: &str) -> Command {
        let mut command = Command::new(if self == Self::Ckpt { "ckpt" } else { "podman" });
        if self != Self::Ckpt {
            command.arg("container");
        }
        command.args([verb, "--print-stats"]);
        command
    }
}
