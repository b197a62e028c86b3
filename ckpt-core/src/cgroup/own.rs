//! Never freeze ourselves: what shares a container's cgroup stands still with it, and who started the checkpoint would
//! stand still for good.

use super::{Freezer, of_container};
use crate::recovery::processes::Stat;

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

/// Passes the container `id`, whose first process is `pid`, if its cgroup holds neither this process nor any that it was
/// started by.
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

#[cfg(test)]
mod tests {
    use super::*;

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
