//! Memory in two steps: a pre-checkpoint of all of it, and later a checkpoint of what changed since.

use std::process::Command;

use super::CheckpointError;
use crate::external;
use crate::podman::PodmanError;

/// Sees to it that the kernel can tell which memory changed, as CRIU finds out.
///
/// # Errors
/// [`CheckpointError::NoMemoryTracking`].
pub fn check_memory_tracking() -> Result<(), CheckpointError> {
    let mut criu = Command::new(external::find("criu").map_err(PodmanError::from)?);
    let output = external::run(criu.args(["check", "--feature", "mem_dirty_track"])).map_err(PodmanError::from)?;
    output.status.success().then_some(()).ok_or(CheckpointError::NoMemoryTracking)
}
