//! A checkpoint of the memory that changed since a pre-checkpoint, which took all of it.

use std::process::Command;

use super::CheckpointError;
use crate::engine::EngineError;
use crate::host::interrupt::Interrupt;
use crate::host::programs;

/// Refuses where the kernel cannot tell which memory changed; CRIU finds that out.
///
/// # Errors
/// [`CheckpointError::NoMemoryTracking`]; that the `interrupt` was raised.
pub fn check_memory_tracking(interrupt: Option<&Interrupt>) -> Result<(), CheckpointError> {
    let mut criu = Command::new(programs::find("criu").map_err(EngineError::from)?);
    criu.args(["check", "--feature", "mem_dirty_track"]);
    let output = programs::run(&mut criu, interrupt).map_err(EngineError::from)?;
    output.status.success().then_some(()).ok_or(CheckpointError::NoMemoryTracking)
}
