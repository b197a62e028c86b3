//! The cgroup freezer, by which a container stands still while CRIU dumps it.
//!
//! | cgroups are mounted as | runtimes have CRIU freeze by |
//! |---|---|
//! | v2 alone | `cgroup.freeze` of the container's group |
//! | v1, also with v2 beside it | `freezer.state` of its group in the freezer's hierarchy |

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use super::processes;

/// Where cgroups are mounted, by convention (systemd's `docs/CGROUP_DELEGATION.md`).
const CGROUPS: &str = "/sys/fs/cgroup";

/// `CGROUP2_SUPER_MAGIC` and `CGROUP_SUPER_MAGIC`, linux/magic.h.
const CGROUP2: i64 = 0x6367_7270;
const CGROUP1: i64 = 0x0027_e0eb;

/// The group below the container's own in which runtimes put it where systemd has the other (crun, `systemd.subgroup`).
const SUBGROUP: &str = "container";

/// What runtimes freeze by on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Freezer {
    /// The one hierarchy of v2, mounted here.
    Unified(PathBuf),
    /// The freezer's hierarchy of v1.
    Legacy(PathBuf),
}

impl Freezer {
    /// None where no cgroups are mounted: CRIU stops the tasks one by one then.
    pub(crate) fn here() -> Option<Self> {
        Self::below(Path::new(CGROUPS))
    }

    fn below(root: &Path) -> Option<Self> {
        let kind = |path: &Path| statfs(path).ok().map(|stat| stat.f_type);
        let legacy = root.join("freezer");
        if kind(root) == Some(CGROUP2) {
            Some(Freezer::Unified(root.into()))
        } else {
            (kind(&legacy) == Some(CGROUP1)).then_some(Freezer::Legacy(legacy))
        }
    }

    /// The group that the process is in, as the kernel names it.
    pub(crate) fn group_of(&self, pid: i32) -> Option<String> {
        let groups = processes::read(pid, "cgroup");
        self.group_in(&String::from_utf8_lossy(&groups))
    }

    /// Lines are `ID:CONTROLLERS:GROUP`, that of v2 without controllers (cgroups(7)).
    fn group_in(&self, groups: &str) -> Option<String> {
        let is_meant = |controllers: &str| match self {
            Freezer::Unified(_) => controllers.is_empty(),
            Freezer::Legacy(_) => controllers.split(',').any(|controller| controller == "freezer"),
        };
        groups.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            is_meant(controllers).then(|| group.to_owned())
        })
    }

    /// Lets all of `group` run, where it is the one that was frozen, and not the container that froze a part of itself.
    pub(crate) fn thaw(&self, group: &str) {
        for group in [Path::new(group).to_owned(), Path::new(group).join(SUBGROUP)] {
            let (file, is_frozen, thawed): (_, fn(&str) -> bool, _) = match self {
                Freezer::Unified(root) => (below(root, &group).join("cgroup.freeze"), |state| state == "1", "0"),
                Freezer::Legacy(root) => {
                    (below(root, &group).join("freezer.state"), |state| state != "THAWED", "THAWED")
                }
            };
            if fs::read_to_string(&file).is_ok_and(|state| is_frozen(state.trim())) {
                // Of a group that is gone meanwhile nothing is frozen.
                let _ = fs::write(&file, thawed);
            }
        }
    }
}

fn below(root: &Path, group: &Path) -> PathBuf {
    root.join(group.strip_prefix("/").unwrap_or(group))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

    use super::*;

    #[test]
    fn each_hierarchy_has_its_line() {
        let groups = "7:devices:/d\n6:cpu,freezer:/f:x\n1:name=systemd:/s\n0::/u\n";
        assert_eq!(Freezer::Unified("/c".into()).group_in(groups).as_deref(), Some("/u"));
        assert_eq!(Freezer::Legacy("/c".into()).group_in(groups).as_deref(), Some("/f:x"));
        assert_eq!(Freezer::Legacy("/c".into()).group_in("0::/u\n"), None);
    }

    /// Takes part in the host's hierarchy of that name, whoever else mounts it.
    struct Mounted(tempfile::TempDir);

    impl Mounted {
        fn freezer() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("freezer")).unwrap();
            let target = folder.path().join("freezer");
            mount("cgroup", &target, "cgroup", MountFlags::empty(), Some(c"freezer")).unwrap();
            Mounted(folder)
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = unmount(self.0.path().join("freezer"), UnmountFlags::DETACH);
        }
    }

    #[test]
    #[ignore = "needs a freezer of cgroups v1: cargo xtask test"]
    fn btrfs_a_group_of_v1_is_thawed_with_all_below_it() {
        let mounted = Mounted::freezer();
        let freezer = Freezer::below(mounted.0.path()).unwrap();
        let Freezer::Legacy(root) = &freezer else { panic!("{freezer:?}") };
        let id = format!("{:064x}", std::process::id());
        let own = root.join(format!("libpod-{id}"));
        let state = || fs::read_to_string(own.join("freezer.state")).unwrap().trim().to_owned();
        fs::create_dir_all(own.join("sub")).unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(own.join("sub/cgroup.procs"), child.id().to_string()).unwrap();
        let group = freezer.group_of(child.id().cast_signed()).unwrap();
        assert!(group.ends_with("/sub"), "{group}");
        let group = group.strip_suffix("/sub").unwrap();
        fs::write(own.join("freezer.state"), "FROZEN").unwrap();
        while state() != "FROZEN" {}
        freezer.thaw(group);
        assert_eq!(state(), "THAWED");
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir(own.join("sub")).unwrap();
        fs::remove_dir(own).unwrap();
    }
}
