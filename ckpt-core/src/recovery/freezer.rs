//! A container that CRIU froze, and could not thaw since it was killed.
//!
//! CRIU freezes the container's cgroup before it stops the tasks one by one, and thaws it once it has them all; OCI
//! runtimes do not look whether it came to that. The first process may be in a group below that one, which is not frozen
//! by itself.

use crate::engine::{Engine, EngineError, cgroup};
use crate::host::freezer::Freezer;

/// Lets the container `id` run, if its cgroup is frozen and podman has not paused it.
///
/// podman may take a process for its first that is another one by now: only a cgroup that bears the container's ID is
/// thawed.
pub(crate) fn thaw(engine: &dyn Engine, id: &str) -> Result<(), EngineError> {
    let facts = match engine.inspect(id) {
        Err(EngineError::UnknownContainer { .. }) => return Ok(()),
        facts => facts?,
    };
    if facts.state.status == "running"
        && let Some(freezer) = Freezer::here()
        && let Some(group) = freezer.group_of(facts.state.pid.cast_signed())
        && let Some(group) = cgroup::of_container(&group, id)
    {
        freezer.thaw(group);
    }
    Ok(())
}
