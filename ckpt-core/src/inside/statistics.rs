//! What a checkpoint took.

use schemars::JsonSchema;
use serde::Serialize;

/// What a checkpoint took, by whoever measured it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Statistics {
    /// CRIU's own, which `podman container checkpoint --print-stats` shows as well; none if it left none.
    pub criu: Option<CriuStatistics>,
    /// This program's; none in archives of others.
    pub ckpt: Option<OwnStatistics>,
}

/// What CRIU measured of its dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CriuStatistics {
    /// Until all tasks stood still, microseconds.
    pub freezing_us: u64,
    /// How long they did, microseconds.
    pub frozen_us: u64,
    /// Of that, for the memory, microseconds.
    pub memdump_us: u64,
    /// To write the memory, microseconds.
    pub memwrite_us: u64,
    /// Pages that were looked at.
    pub pages_scanned: u64,
    /// Pages that an earlier pre-checkpoint has.
    pub pages_skipped_parent: u64,
    /// Pages that were written.
    pub pages_written: u64,
    /// Pages that may come later at a restore.
    pub pages_lazy: u64,
}

/// What this program measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OwnStatistics {
    /// How long the container stood still, as seen from outside, microseconds.
    pub frozen_us: Option<u64>,
    /// Members, those of nested archives included, without podman's own.
    pub members: u64,
    /// Bytes of data cloned into the archive.
    pub cloned_bytes: u64,
    /// Bytes of data copied into the archive.
    pub copied_bytes: u64,
    /// Bytes of holes.
    pub hole_bytes: u64,
}
