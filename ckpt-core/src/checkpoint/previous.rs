//! Memory in two steps: a pre-checkpoint of all of it, and later a checkpoint of what changed since.

use std::process::Command;

use super::CheckpointError;
use crate::engine::EngineError;
use crate::host::interrupt::Interrupt;
use crate::host::programs;

/// Sees to it that the kernel can tell which memory changed, as CRIU finds out.
///
/// # Errors
/// [`CheckpointError::NoMemoryTracking`]; that the `interrupt` was raised.
pub fn check_memory_tracking(interrupt: Option<&Interrupt>) -> Result<(), CheckpointError> {
    let mut criu = Command::new(programs::find("criu").map_err(EngineError::from)?);
    criu.args(["check", "--feature", "mem_dirty_track"]);
    let output = programs::run(&mut criu, interrupt).map_err(EngineError::from)?;
    output.status.success().then_some(()).ok_or(CheckpointError::NoMemoryTracking)
}
