//! Who does the same job.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contender {
    Ckpt,
    /// podman without any files: what nobody who uses podman can beat.
    Floor,
    /// podman as it comes; it compresses by zstd.
    Podman,
    PodmanUncompressed,
}

impl Contender {
    pub(super) const ALL: [Self; 4] = [Self::Ckpt, Self::Floor, Self::Podman, Self::PodmanUncompressed];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ckpt => "ckpt",
            Self::Floor => "floor: podman --ignore-rootfs",
            Self::Podman => "podman",
            Self::PodmanUncompressed => "podman --compress none",
        }
    }

    pub(super) fn is_podman(self) -> bool {
        matches!(self, Self::Podman | Self::PodmanUncompressed)
    }

    pub(super) fn checkpoint(self, container: &str, archive: &Path) -> Command {
        let mut command = self.verb("checkpoint");
        if self == Self::PodmanUncompressed {
            command.args(["--compress", "none"]);
        }
        command.args(["--print-stats", "--export"]).arg(archive).arg(container);
        command
    }

    pub(super) fn restore(self, archive: &Path, name: &str) -> Command {
        let mut command = self.verb("restore");
        command.args(["--print-stats", "--import"]).arg(archive).args(["--name", name]);
        command
    }

    fn verb(self, verb: &str) -> Command {
        if self == Self::Ckpt {
            let mut command = Command::new("ckpt");
            command.arg(verb);
            return command;
        }
        let mut command = Command::new("podman");
        command.args(["container", verb]);
        if self == Self::Floor {
            command.args(["--ignore-rootfs", "--ignore-volumes"]);
        }
        command
    }
}
