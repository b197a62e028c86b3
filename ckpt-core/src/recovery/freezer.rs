//! A container that CRIU froze, and could not thaw since it was killed.
//!
//! CRIU writes 1 to `cgroup.freeze` before it stops the tasks one by one, and 0 once it has them all; OCI runtimes do
//! not look whether it came to that.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::Engine;
use crate::podman::PodmanError;

/// Where cgroup v2 is mounted, by convention (systemd's `docs/CGROUP_DELEGATION.md`).
const CGROUPS: &str = "/sys/fs/cgroup";

/// Lets the container `id` run, if its cgroup is frozen and podman has not paused it.
pub(crate) fn thaw(engine: &dyn Engine, id: &str) -> Result<(), PodmanError> {
    let facts = match engine.inspect(id) {
        Err(PodmanError::UnknownContainer { .. }) => return Ok(()),
        facts => facts?,
    };
    if facts.state.status == "running"
        && let Some(freeze) = freeze_file(facts.state.pid)
        && fs::read_to_string(&freeze).is_ok_and(|frozen| frozen.trim() == "1")
    {
        // Of a group that is gone meanwhile nothing is frozen.
        let _ = fs::write(&freeze, "0");
    }
    Ok(())
}

/// `cgroup.freeze` of the v2 group that process `pid` is in.
fn freeze_file(pid: u32) -> Option<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    Some(Path::new(CGROUPS).join(group).join("cgroup.freeze"))
}
