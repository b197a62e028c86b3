//! Who does the same job.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contender {
    Ckpt,
    /// `ckpt`, whose container runs before its memory is there.
    Lazy,
    /// podman without an archive: the images stay where CRIU wrote them, nothing is synced.
    Local,
    /// The same, with CRIU's own server of pages that come later.
    CriusServer,
    /// podman with an uncompressed archive.
    Podman,
}

impl Contender {
    pub(super) const ALL: [Self; 5] = [Self::Ckpt, Self::Lazy, Self::Local, Self::CriusServer, Self::Podman];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ckpt => "ckpt",
            Self::Lazy => "ckpt restore --lazy",
            Self::Local => "podman without an archive",
            Self::CriusServer => "the same, criu lazy-pages",
            Self::Podman => "podman --export --compress none",
        }
    }

    pub(super) fn checkpoint(self, container: &str, archive: &Path) -> Command {
        let mut command = self.verb("checkpoint");
        match self {
            Self::Ckpt | Self::Lazy => command.arg("--export").arg(archive),
            Self::Local | Self::CriusServer => &mut command,
            Self::Podman => command.args(["--compress", "none", "--export"]).arg(archive),
        };
        command.arg(container);
        command
    }

    /// Under the old name. The images stay for a second time, with all but the one that never needs them: removing them
    /// takes as long as ever.
    pub(super) fn restore(self, container: &str, archive: &Path) -> Command {
        let mut command = self.verb("restore");
        command.arg(if self == Self::Lazy { "--lazy=always" } else { "--keep" });
        match self.restores_anew() {
            true => command.arg("--import").arg(archive),
            false => command.arg(container),
        };
        command
    }

    /// Whether the container has to be gone before it is restored.
    pub(super) fn restores_anew(self) -> bool {
        matches!(self, Self::Ckpt | Self::Lazy | Self::Podman)
    }

    /// Who has memory come later: a name in /proc/PID/comm.
    pub(super) fn server(self) -> Option<&'static str> {
        match self {
            Self::Lazy => Some("criu-pages"),
            Self::CriusServer => Some("criu"),
            _ => None,
        }
    }

    /// runc tells CRIU that no memory comes later, whatever the configuration says.
    pub(super) fn works_with(self, runtime: &str) -> bool {
        self != Self::CriusServer || runtime == "crun"
    }

    fn verb(self, verb: &str) -> Command {
        let is_ckpt = matches!(self, Self::Ckpt | Self::Lazy);
        let mut command = Command::new(if is_ckpt { "ckpt" } else { "podman" });
        if !is_ckpt {
            command.arg("container");
        }
        command.args([verb, "--print-stats"]);
        command
    }
}
