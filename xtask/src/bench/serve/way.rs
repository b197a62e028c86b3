//! The ways that an archive goes, as shell scripts.

use serde::{Deserialize, Serialize};

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// `ckpt checkpoint` itself.
    Checkpoint,
    CheckpointByDescriptor,
    CheckpointBySocket,
    /// What has to be done of that in any case: a checkpoint, and its archive read.
    CheckpointThenRead,
    /// `ckpt restore` itself.
    Restore,
    RestoreByDescriptor,
    RestoreBySocket,
    /// The same bytes, which have to be written once.
    RestoreByPipe,
}

impl Way {
    pub(super) const ALL: [Self; 8] = [
        Self::Checkpoint,
        Self::CheckpointByDescriptor,
        Self::CheckpointBySocket,
        Self::CheckpointThenRead,
        Self::Restore,
        Self::RestoreByDescriptor,
        Self::RestoreByPipe,
        Self::RestoreBySocket,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint, ckpt itself",
            Self::CheckpointByDescriptor => "checkpoint, ckpt --url",
            Self::CheckpointBySocket => "checkpoint, through the socket",
            Self::CheckpointThenRead => "checkpoint, ckpt itself, then read",
            Self::Restore => "restore, ckpt itself",
            Self::RestoreByDescriptor => "restore, ckpt --url",
            Self::RestoreByPipe => "restore, through a pipe",
            Self::RestoreBySocket => "restore, through the socket",
        }
    }

    /// A script of bash, for the socket `$1`, the container `$2`, the copy `$3`, the archive `$4` and a new one `$5`.
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::Checkpoint => r#"ckpt checkpoint -R "$2" -e "$5""#,
            Self::CheckpointByDescriptor => r#"ckpt --url "unix://$1" checkpoint -R "$2" -e "$5""#,
            Self::CheckpointBySocket => {
                r#"curl -sf -X POST --unix-socket "$1" -o /dev/null "http://d/v5.0.0/libpod/containers/$2/checkpoint?export=true&leaveRunning=true""#
            }
            Self::CheckpointThenRead => {
                r#"ckpt checkpoint -R "$2" -e "$5" && dd if="$5" of=/dev/null bs=1M status=none"#
            }
            Self::Restore => r#"ckpt restore -i "$4" -n "$3""#,
            Self::RestoreByDescriptor => r#"ckpt --url "unix://$1" restore -i "$4" -n "$3""#,
            Self::RestoreByPipe => r#"cat "$4" | ckpt restore -i - -n "$3""#,
            Self::RestoreBySocket => {
                r#"curl -sf -X POST --unix-socket "$1" -T "$4" "http://d/v5.0.0/libpod/containers/import/restore?import=true&name=$3""#
            }
        }
    }

    /// Whether it makes a container.
    pub(super) fn restores(self) -> bool {
        matches!(self, Self::Restore | Self::RestoreByDescriptor | Self::RestoreBySocket | Self::RestoreByPipe)
    }
}
