//! Freezes the container's cgroup just before CRIU would do so, which saves a wait.
//!
//! CRIU freezes the cgroup, looks, and where it is not frozen yet sleeps for 100 ms before it looks again
//! (`freeze_processes` in criu/seize.c). One that it finds frozen it takes as it is, and in the end leaves it as it was
//! found: with `--leave-running`, and after a failure, frozen. So whoever freezes first has it thawed, by a guard:
//!
//! ```text
//! CRIU ── script at pre-dump ── starts the guard ── freezes ── ends
//!   │                             │ holds on to both
//!   └── dumps, or fails, or dies ─┴─> thaws
//! ```
//!
//! The guard belongs to none of ckpt, podman, the runtime and CRIU: it thaws whichever of them dies.
//!
//! Cgroups v1 are left to CRIU: there it notes the state that it found in its images, and a restored container would
//! stand still.

use std::fs;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::Duration;

use crate::host::frozen::{BEGUN, freeze_within, group_in, is_state, start_guard, thaw, thaw_noted};
use crate::host::session::{Session, SessionError};

/// Name of the file in the session's folder that says which cgroup is to be frozen. It is [`BEGUN`] once that may be.
const PLANNED: &str = "freeze";

/// A group that is not frozen by then is left to CRIU, which has more patience. Most take less than one.
const LIMIT: Duration = Duration::from_millis(100);

/// Has CRIU's script freeze the cgroup in the folder `group` before CRIU does.
pub(crate) fn plan(session: &Session, group: &Path) -> Result<(), SessionError> {
    let path = session.path().join(PLANNED);
    fs::write(&path, group.as_os_str().as_encoded_bytes()).map_err(|source| SessionError::new("write", &path, source))
}

/// Lets the container run again whose guard was killed. Call it when CRIU has ended.
pub(crate) fn thaw_if_unguarded(session: &Session) {
    thaw_noted(&session.path().join(BEGUN));
}

/// CRIU's script, before the dump: freezes the group that the run in `session` planned to, if any. What cannot be done
/// here, CRIU does itself.
pub(crate) fn freeze(session: &Path) {
    let (planned, begun) = (session.join(PLANNED), session.join(BEGUN));
    let Some(group) = group_in(&planned) else { return };
    let criu = parent_id();
    if is_state(&group, "0") && start_guard(&[criu], &begun).is_ok() && parent_id() == criu {
        let frozen = fs::rename(planned, begun).and_then(|()| freeze_within(&group, LIMIT));
        if !frozen.is_ok_and(|frozen| frozen) {
            thaw(&group);
        }
    }
}
