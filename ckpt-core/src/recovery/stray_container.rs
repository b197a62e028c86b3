//! Kills the processes of a container that podman does not take for running. They are known by its ID and bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

use crate::criu::processes::is_criu_in;
use crate::engine::cgroup::is_in_cgroup_of;
use crate::host::processes::{self, Stat, all, named, read, until};
use crate::host::waiting::Waiting;

/// Kills what resumes, or runs, the container `id` in `bundle`: its conmon and CRIU with all below them, and all that
/// is in its cgroup.
///
/// For a container that podman does not know to run.
///
/// # Errors
/// That the interrupt was raised.
pub(crate) fn kill(id: &str, bundle: &Path, waiting: &mut Waiting<'_>) -> io::Result<bool> {
    let who = || format!("{} of a half-made container was killed", named(of_container(id, bundle).first().copied()));
    until(waiting, who, || {
        let found = of_container(id, bundle);
        for &pid in &found {
            processes::kill(pid, |pid| of_container(id, bundle).contains(&pid));
        }
        found.is_empty()
    })
}

/// Whether a container with this `id` is watched that has another bundle: that of another store, restored from the same
/// archive.
pub(crate) fn is_elsewhere(id: &str, bundle: &Path) -> bool {
    all().any(|pid| is_conmon_with(pid, id.as_bytes()) && !is_conmon_with(pid, bundle.as_os_str().as_bytes()))
}

fn of_container(id: &str, bundle: &Path) -> BTreeSet<i32> {
    let living = all().filter_map(|pid| Some((pid, Stat::of(pid).filter(|stat| !stat.is_dead)?.parent)));
    let parents: BTreeMap<i32, i32> = living.collect();
    // Its cgroup has no other name in another store.
    let has_cgroup = !is_elsewhere(id, bundle);
    let is_its = |pid| {
        is_conmon_with(pid, bundle.as_os_str().as_bytes())
            || is_criu_in(pid, bundle)
            || has_cgroup && is_in_cgroup_of(pid, id)
    };
    let mut found: BTreeSet<i32> = parents.keys().copied().filter(|&pid| is_its(pid)).collect();
    loop {
        let before = found.len();
        found.extend(
            parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(&pid, _)| pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            return found;
        }
    }
}

/// conmon is started as `conmon … -c ID … -b BUNDLE …`.
fn is_conmon_with(pid: i32, wanted: &[u8]) -> bool {
    let arguments = read(pid, "cmdline");
    let mut arguments = arguments.split(|byte| *byte == 0);
    let is_named = arguments.next().is_some_and(|program| program.ends_with(b"conmon"));
    is_named && arguments.any(|argument| argument == wanted) && is_ours(pid)
}

/// Others can give themselves these words: users, and root in a container.
fn is_ours(pid: i32) -> bool {
    let owner = fs::metadata(format!("/proc/{pid}")).map(|process| process.uid());
    let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let here = space("self");
    owner.is_ok_and(|uid| uid == geteuid().as_raw()) && here.is_some() && space(&pid.to_string()) == here
}
