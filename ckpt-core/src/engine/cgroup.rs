//! Whether a container has a cgroup of its own. CRIU freezes that group, and whatever shares it stands still as well.
//! If this program shared it, nobody would be left to thaw it.
//!
//! The group is the container's by its name, which podman makes of the ID; the container may have more of them below.

use crate::host::freezer::Freezer;
use crate::host::processes::{Stat, all, read};

/// Why freezing the container would freeze somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CgroupError {
    /// It has no cgroup of its own.
    #[error(
        "it has no cgroup of its own (--cgroups=disabled), but shares {group} with other programs of this host: CRIU would \
         freeze those as well"
    )]
    Shared {
        /// The one it is in.
        group: String,
    },
    /// Who calls is inside of the container, as far as cgroups go.
    #[error(
        "this command runs in the container's own cgroup {group} (process {pid}): CRIU would freeze both for good. Run it \
         from outside of the container"
    )]
    Ours {
        /// The container's.
        group: String,
        /// This process, or one of those that it was started by.
        pid: i32,
    },
}

/// Passes the container `id`, whose first process is `pid`, if its cgroup holds neither this process nor any that it
/// was started by.
///
/// # Errors
/// [`CgroupError`].
pub(crate) fn check(pid: u32, id: &str) -> Result<(), CgroupError> {
    let Some(freezer) = Freezer::here() else { return Ok(()) };
    let groups = ancestry().filter_map(|pid| Some((pid, freezer.group_of(pid)?)));
    match freezer.group_of(pid.cast_signed()) {
        Some(group) => check_groups(&group, id, groups),
        // It has ended: podman says so.
        None => Ok(()),
    }
}

fn check_groups(group: &str, id: &str, mut ours: impl Iterator<Item = (i32, String)>) -> Result<(), CgroupError> {
    let Some(group) = of_container(group, id) else {
        return Err(CgroupError::Shared { group: group.to_owned() });
    };
    match ours.find(|(_, our)| is_within(our, group)) {
        Some((pid, _)) => Err(CgroupError::Ours { group: group.to_owned(), pid }),
        None => Ok(()),
    }
}

fn is_within(group: &str, above: &str) -> bool {
    group.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// This process, and those that it was started by.
fn ancestry() -> impl Iterator<Item = i32> {
    let parent = |pid: &i32| Stat::of(*pid).map(|stat| stat.parent).filter(|&parent| parent > 0);
    std::iter::successors(Some(std::process::id().cast_signed()), parent)
}

/// The group of the container `id` that `group` is, or lies in.
pub(crate) fn of_container<'g>(group: &'g str, id: &str) -> Option<&'g str> {
    let ends = group.match_indices('/').map(|(at, _)| at).chain([group.len()]);
    ends.map(|end| &group[..end]).find(|above| {
        let name = above.rsplit('/').next().unwrap_or_default();
        is_cgroup_of(name.as_bytes(), id)
    })
}

/// The processes in the cgroup of the container `id`, or below it.
pub(crate) fn in_cgroup_of(id: &str) -> impl Iterator<Item = i32> {
    all().filter(move |&pid| is_in_cgroup_of(pid, id))
}

pub(crate) fn is_in_cgroup_of(pid: i32, id: &str) -> bool {
    let groups = read(pid, "cgroup");
    groups.split(|byte| matches!(byte, b'/' | b'\n')).any(|group| is_cgroup_of(group, id))
}

/// podman's cgroups are `libpod-ID` or `libpod-ID.scope`, with one below for the container, or not, and
/// `libpod-payload-ID` with `--cgroups=split`; conmon's have another name.
pub(crate) fn is_cgroup_of(name: &[u8], id: &str) -> bool {
    name.strip_prefix(b"libpod-")
        .map(|name| name.strip_prefix(b"payload-").unwrap_or(name))
        .and_then(|name| name.strip_prefix(id.as_bytes()))
        .is_some_and(|end| matches!(end, b"" | b".scope"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_group_is_known_by_its_name() {
        let id = "0a".repeat(32);
        for (group, expected) in [
            (format!("/libpod_parent/libpod-{id}"), Some(format!("/libpod_parent/libpod-{id}"))),
            (format!("/machine.slice/libpod-{id}.scope/container"), Some(format!("/machine.slice/libpod-{id}.scope"))),
            (format!("/x/libpod-payload-{id}"), Some(format!("/x/libpod-payload-{id}"))),
            (format!("/libpod-{id}/init.scope/a/b"), Some(format!("/libpod-{id}"))),
            (format!("/libpod-conmon-{id}"), None),
            ("/".into(), None),
            ("/user.slice/session-1.scope".into(), None),
        ] {
            assert_eq!(of_container(&group, &id), expected.as_deref(), "{group}");
            assert_eq!(of_container(&group, &"0b".repeat(32)), None, "{group}");
        }
    }

    #[test]
    fn a_container_is_frozen_only_if_nobody_else_is_with_it() {
        let id = "0a".repeat(32);
        let own = format!("/libpod_parent/libpod-{id}");
        let shared = |group: &str| Err(CgroupError::Shared { group: group.into() });
        let ours = Err(CgroupError::Ours { group: own.clone(), pid: 7 });
        for (group, caller, expected) in [
            (own.clone(), "/user.slice".to_owned(), Ok(())),
            (format!("{own}/init.scope"), "/libpod_parent/conmon".into(), Ok(())),
            (own.clone(), format!("{own}-x"), Ok(())),
            ("/".into(), "/".into(), shared("/")),
            ("/user.slice".into(), "/system.slice".into(), shared("/user.slice")),
            (own.clone(), own.clone(), ours.clone()),
            (format!("{own}/a"), format!("{own}/b"), ours.clone()),
        ] {
            let callers = [(5, "/x".to_owned()), (7, caller)];
            assert_eq!(check_groups(&group, &id, callers.into_iter()), expected, "{group}");
        }
    }

    #[test]
    fn the_ancestry_begins_here_and_ends_at_the_first_process() {
        let pids: Vec<i32> = ancestry().collect();
        assert_eq!(pids[0], std::process::id().cast_signed());
        assert!(pids.len() > 1 && pids.iter().all(|&pid| pid > 0));
    }
}
