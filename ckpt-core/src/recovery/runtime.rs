//! Removes what an OCI runtime has of a container that podman does not take for running: processes, their cgroups, the
//! runtime's record, and a mount in that.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{UnmountFlags, unmount};

use super::stray_container;
use crate::engine::cgroup::is_cgroup_of;
use crate::engine::{Engine, EngineError};
use crate::host::interrupt::interrupted;
use crate::host::programs::{self, ProgramError};
use crate::host::waiting::Waiting;

/// The runtimes' folders of records, each of them one of its container's ID.
const RECORDS: [&str; 2] = ["/run/runc", "/run/crun"];

/// Where a runtime mounts the root for CRIU, in its record, while CRIU restores.
const CRIU_ROOT: &str = "criu-root";

/// Where cgroups are mounted, those of v1 a hierarchy each.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Removes it all, so that the runtime takes the ID again. What another store's container of this ID has, stays:
/// runtimes and cgroups know no stores.
///
/// # Errors
/// That the interrupt was raised; what is left is for another call.
pub(crate) fn forget(engine: &dyn Engine, id: &str, bundle: &Path, waiting: &mut Waiting<'_>) -> io::Result<()> {
    stray_container::kill(id, bundle, waiting)?;
    if stray_container::is_elsewhere(id, bundle) {
        return Ok(());
    }
    for records in RECORDS {
        // A runtime that was killed could not unmount it, and cannot remove its record then.
        let _ = unmount(Path::new(records).join(id).join(CRIU_ROOT), UnmountFlags::DETACH);
    }
    if let Ok(runtime) = runtime_of(engine, id) {
        let deleted = programs::run(Command::new(runtime).args(["delete", "--force", id]), waiting.interrupt);
        if let Err(ProgramError::Interrupted { .. }) = deleted {
            return Err(interrupted());
        }
        // There is no record if podman did not come so far.
    }
    for records in RECORDS {
        // What an earlier `delete` left: it fails halfway for the mount.
        let record = Path::new(records).join(id);
        let _ = fs::remove_dir(record.join(CRIU_ROOT));
        let _ = fs::remove_dir(record);
    }
    remove_cgroups(Path::new(CGROUPS), id);
    Ok(())
}

/// No runtime removes those of a container that it has no record of.
fn remove_cgroups(folder: &Path, id: &str) {
    for group in folders_in(folder) {
        if group.file_name().is_some_and(|name| is_cgroup_of(name.as_bytes(), id)) {
            remove_cgroup(&group);
        } else {
            remove_cgroups(&group, id);
        }
    }
}

/// With all below it. One with processes in it stays.
fn remove_cgroup(group: &Path) {
    folders_in(group).for_each(|below| remove_cgroup(&below));
    let _ = fs::remove_dir(group);
}

fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn runtime_of(engine: &dyn Engine, id: &str) -> Result<PathBuf, EngineError> {
    Ok(programs::find(&engine.inspect(id)?.oci_runtime)?)
}
