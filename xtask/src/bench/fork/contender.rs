//! Who makes copies.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contender {
    /// `ckpt restore --count`.
    Copies,
    /// The same, and all memory comes before a copy runs.
    Eager,
    /// `ckpt fork`: with the checkpoint.
    Fork,
    /// `ckpt restore`, one after the other.
    OneByOne,
    /// `podman container restore --ignore-rootfs` of a container without files, as many at a time as of ours.
    Podman,
}

impl Contender {
    pub(super) const ALL: [Self; 5] = [Self::Copies, Self::Eager, Self::Fork, Self::OneByOne, Self::Podman];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Copies => "ckpt restore --count",
            Self::Eager => "the same, --lazy never",
            Self::Fork => "ckpt fork",
            Self::OneByOne => "ckpt restore, one by one",
            Self::Podman => "podman, no files",
        }
    }
}
