//! A container of whichever engine that stands still while its files are taken.
//!
//! No engine is asked. The container is all processes in the mount namespaces that have its overlay for a root, and its
//! cgroup is the lowest one that holds them all. That one is frozen if nobody else is in it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::freezer::Freezer;
use crate::host::frozen::{BEGUN, freeze_within, is_state, start_guard, thaw, thaw_noted};
use crate::host::processes::{Stat, all, named};
use crate::host::session::{self, Session, SessionError};
use crate::host::waiting::Waiting;

/// A task that waits for a disk or another host is frozen when that answers.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a container cannot stand still.
#[derive(Debug, thiserror::Error)]
pub enum StandstillError {
    /// The host has no cgroups v2, or not alone.
    #[error("--freeze needs cgroups v2 alone on /sys/fs/cgroup: without it, stop or pause the container yourself")]
    NoFreezer,
    /// Its processes have no cgroup of their own.
    #[error("{} is in the cgroup {group} with the container, and would stand still too: start the container with a cgroup of its own", named(Some(*pid)))]
    Shared {
        /// The group.
        group: String,
        /// Somebody who is not of the container.
        pid: i32,
    },
    /// It has not come to rest.
    #[error("the cgroup {} does not stand still after {} s: a process in it waits for a disk or another host", group.display(), LIMIT.as_secs())]
    Unfrozen {
        /// Its folder.
        group: PathBuf,
    },
    /// The freezer cannot be used.
    #[error("freeze the cgroup {}", group.display())]
    Freeze {
        /// Its folder.
        group: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// What says so cannot be noted.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A container that stands still until this value is dropped, or whatever holds it dies.
pub(crate) struct Standstill {
    group: PathBuf,
    begun: PathBuf,
    since: Instant,
    _session: Session,
}

impl Standstill {
    /// Freezes the container that has these mount namespaces. `None` if it does not run, or stands still already.
    pub(crate) fn of(namespaces: &BTreeSet<u64>, waiting: &mut Waiting<'_>) -> Result<Option<Self>, StandstillError> {
        let Some(Freezer::Unified(root)) = Freezer::here() else { return Err(StandstillError::NoFreezer) };
        thaw_what_dead_runs_left(waiting)?;
        let Some(group) = group_of(&Freezer::Unified(root.clone()), namespaces)? else { return Ok(None) };
        let group = root.join(group.trim_start_matches('/'));
        if !is_state(&group, "0") {
            return Ok(None);
        }
        let session = Session::begin(waiting)?;
        let begun = session.path().join(BEGUN);
        let failed = |source| StandstillError::Freeze { group: group.clone(), source };
        start_guard(&[], &begun).map_err(failed)?;
        fs::write(&begun, group.as_os_str().as_encoded_bytes()).map_err(failed)?;
        // Thaws when it is dropped, also if the freezing fails half-way.
        let standstill = Standstill { group: group.clone(), begun, since: Instant::now(), _session: session };
        match freeze_within(&group, LIMIT).map_err(failed)? {
            true => Ok(Some(standstill)),
            false => Err(StandstillError::Unfrozen { group }),
        }
    }

    /// Lets it run; gives how long it stood.
    pub(crate) fn end(self) -> Duration {
        thaw(&self.group);
        self.since.elapsed()
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        thaw(&self.group);
        // Without the file the guard does nothing, whoever freezes the group next.
        let _ = fs::remove_file(&self.begun);
    }
}

/// For runs that were killed together with their guards.
fn thaw_what_dead_runs_left(waiting: &mut Waiting<'_>) -> Result<(), SessionError> {
    let _all = session::lock_all(waiting)?;
    session::dead()?.iter().for_each(|folder| thaw_noted(&folder.join(BEGUN)));
    Ok(())
}

/// The container's own group, if it runs.
fn group_of(freezer: &Freezer, namespaces: &BTreeSet<u64>) -> Result<Option<String>, StandstillError> {
    let members: BTreeSet<i32> = all().filter(|&pid| is_in(namespaces, pid, "mnt")).collect();
    let groups: Vec<String> = members.iter().filter_map(|&pid| freezer.group_of(pid)).collect();
    let Some(group) = lowest_common(&groups) else { return Ok(None) };
    let is_below = |pid: &i32| freezer.group_of(*pid).is_some_and(|found| Path::new(&found).starts_with(&group));
    let own = std::process::id().cast_signed();
    let others = Others::than(&members);
    match all().filter(is_below).find(|&pid| pid == own || !others.is_of_container(pid)) {
        Some(pid) => Err(StandstillError::Shared { group, pid }),
        None => Ok(Some(group)),
    }
}

/// Tells who is of the container, though it has another mount namespace: a service of the container's own systemd, a
/// container in it.
struct Others<'m> {
    members: &'m BTreeSet<i32>,
    /// PID namespaces of the container, that of the host not among them.
    namespaces: BTreeSet<u64>,
}

impl<'m> Others<'m> {
    fn than(members: &'m BTreeSet<i32>) -> Self {
        let own = namespace(std::process::id().cast_signed(), "pid");
        let namespaces = members.iter().filter_map(|&pid| namespace(pid, "pid")).filter(|found| Some(*found) != own);
        Others { members, namespaces: namespaces.collect() }
    }

    fn is_of_container(&self, pid: i32) -> bool {
        let is_member = |pid: i32| self.members.contains(&pid) || is_in(&self.namespaces, pid, "pid");
        let mut above = Some(pid);
        while let Some(pid) = above.filter(|&pid| pid > 1) {
            if is_member(pid) {
                return true;
            }
            above = Stat::of(pid).map(|stat| stat.parent);
        }
        // It has ended meanwhile.
        Stat::of(pid).is_none_or(|stat| stat.is_dead)
    }
}

fn is_in(namespaces: &BTreeSet<u64>, pid: i32, kind: &str) -> bool {
    namespace(pid, kind).is_some_and(|found| namespaces.contains(&found))
}

fn namespace(pid: i32, kind: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/{kind}")).ok().map(|stat| stat.ino())
}

/// The lowest group that is, or is above, each of `groups`.
fn lowest_common(groups: &[String]) -> Option<String> {
    let (first, rest) = groups.split_first()?;
    let above = Path::new(first).ancestors().find(|above| rest.iter().all(|group| Path::new(group).starts_with(above)));
    above.map(|above| above.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_the_lowest_one_that_holds_all() {
        for (groups, expected) in [
            (&["/a/b"][..], Some("/a/b")),
            (&["/a/b", "/a/b/c"], Some("/a/b")),
            (&["/a/b/init.scope", "/a/b/system.slice/x"], Some("/a/b")),
            (&["/a/bc", "/a/b"], Some("/a")),
            (&["/a", "/b"], Some("/")),
            (&[], None),
        ] {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            assert_eq!(lowest_common(&groups).as_deref(), expected, "{groups:?}");
        }
    }

    #[test]
    fn a_group_with_ourselves_in_it_is_not_frozen() {
        let freezer = Freezer::Unified("/sys/fs/cgroup".into());
        let own = BTreeSet::from([namespace(std::process::id().cast_signed(), "mnt").unwrap()]);
        assert!(matches!(group_of(&freezer, &own), Err(StandstillError::Shared { .. }) | Ok(None)));
        assert_eq!(group_of(&freezer, &BTreeSet::from([1])).unwrap(), None);
    }
}
