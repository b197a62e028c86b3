//! Cgroups of the lab's own, one below each of this process.
//!
//! On a host with v1 hierarchies CRIU dumps every group it can see and makes
//! them again at each restore, so leftovers multiply and slow it down. In
//! groups of its own, made the root by a cgroup namespace, the lab sees only
//! what it made itself.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

const PREFIX: &str = "ckpt-lab-";

const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// Killed processes leave their group a moment after their parent saw them end.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct LabGroups {
    /// One folder in every hierarchy.
    pub(super) folders: Vec<PathBuf>,
    /// Whether resource controllers are in v1 hierarchies (a hybrid host).
    pub(super) v1_controllers: bool,
}

impl LabGroups {
    /// Makes the groups, after removing those of labs that were killed.
    pub(super) fn create() -> Result<Self> {
        let hierarchies = own_hierarchies()?;
        let mut groups =
            Self { folders: Vec::new(), v1_controllers: hierarchies.iter().any(|own| own.kind == Kind::V1Controllers) };
        for own in &hierarchies {
            remove_leftovers(&own.mount_point);
            if let Err(error) = groups.add(own) {
                groups.remove()?;
                return Err(error);
            }
        }
        Ok(groups)
    }

    fn add(&mut self, own: &Own) -> Result<()> {
        let parent = own.parent(self.v1_controllers);
        let folder = parent.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make the cgroup {}", folder.display()))?;
        self.folders.push(folder.clone());
        match own.kind {
            Kind::V2 if !self.v1_controllers => delegate_controllers(parent),
            Kind::V1Controllers if folder.join(CPUSET[0]).exists() => copy_cpuset(parent, &folder)?,
            _ => {}
        }
        Ok(())
    }

    /// Removes the groups and all below them.
    pub(super) fn remove(&self) -> Result<()> {
        for folder in &self.folders {
            remove_tree(folder, REMOVE_LIMIT)
                .with_context(|| format!("cannot remove the cgroup {}", folder.display()))?;
        }
        Ok(())
    }

    /// Kills every process in the groups.
    pub(super) fn kill(&self) {
        for folder in &self.folders {
            for group in tree(folder) {
                for pid in processes(&group) {
                    // It may have ended by itself meanwhile.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

/// The groups of all labs of this host.
pub(crate) fn on_host() -> BTreeSet<String> {
    let hierarchies = own_hierarchies().unwrap_or_default();
    let groups = hierarchies.iter().flat_map(|own| tree(&own.mount_point));
    groups.map(|group| group.to_string_lossy().into_owned()).filter(|group| group.contains(PREFIX)).collect()
}

/// Moves this process into `folder`.
pub(super) fn enter(folder: &Path) -> Result<()> {
    fs::write(folder.join("cgroup.procs"), "0").with_context(|| format!("cannot enter the cgroup {}", folder.display()))
}

/// Hands the controllers of a v2 group on to its children, as far as the host
/// allows: it refuses in a group that also has processes of its own.
pub(super) fn delegate_controllers(folder: &Path) {
    let available = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    for controller in available.split_whitespace() {
        let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// Removes the groups below `folder`, which earlier commands of a lab left empty.
pub(super) fn remove_children(folder: &Path) -> Result<()> {
    for child in children(folder) {
        remove_tree(&child, REMOVE_LIMIT).with_context(|| format!("cannot remove the cgroup {}", child.display()))?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    V1Controllers,
    /// A v1 hierarchy without a controller, such as systemd's.
    V1Named,
    V2,
}

/// A hierarchy and the place of this process in it.
struct Own {
    kind: Kind,
    mount_point: PathBuf,
    group: PathBuf,
}

impl Own {
    /// Limits of this process hold for the lab too, so its group is below ours.
    /// But with v2 alone, a group with processes cannot give controllers to
    /// children: then the lab's group is below the root, as a systemd slice is.
    fn parent(&self, v1_controllers: bool) -> &Path {
        if self.kind == Kind::V2 && !v1_controllers { &self.mount_point } else { &self.group }
    }
}

/// A new v1 cpuset group takes no process before it has CPUs and memory.
fn copy_cpuset(parent: &Path, folder: &Path) -> Result<()> {
    for file in CPUSET {
        fs::read(parent.join(file))
            .and_then(|value| fs::write(folder.join(file), value))
            .with_context(|| format!("cannot copy {file} to {}", folder.display()))?;
    }
    Ok(())
}

/// Joins /proc/self/cgroup with the mounts of the hierarchies, see cgroups(7).
fn own_hierarchies() -> Result<Vec<Own>> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    Ok(cgroup
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let kind = match controllers {
                "" => Kind::V2,
                named if named.starts_with("name=") => Kind::V1Named,
                _ => Kind::V1Controllers,
            };
            let mount = mounts.lines().find_map(|line| mount_of(line, controllers))?;
            Some(Own { kind, group: mount.group(path), mount_point: mount.point })
        })
        .collect())
}

struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// A container may see only a part of the hierarchy (`root`).
    fn group(&self, path: &str) -> PathBuf {
        match Path::new(path).strip_prefix(&self.root) {
            Ok(below) => self.point.join(below),
            Err(_) => self.point.clone(),
        }
    }
}

fn mount_of(mountinfo_line: &str, controllers: &str) -> Option<Mount> {
    let (mount, super_block) = mountinfo_line.split_once(" - ")?;
    let mut fields = super_block.split(' ');
    let (fs_type, options) = (fields.next()?, fields.nth(1)?);
    let matches = match controllers {
        "" => fs_type == "cgroup2",
        _ => {
            fs_type == "cgroup"
                && controllers.split(',').all(|controller| options.split(',').any(|option| option == controller))
        }
    };
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    matches.then(|| Mount { root: root.into(), point: point.into() })
}

/// A group whose lab still lives is busy or its maker is alive: it stays.
fn remove_leftovers(mount_point: &Path) {
    for group in tree(mount_point) {
        let maker = group.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if maker.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = remove_tree(&group, Duration::ZERO);
        }
    }
}

fn remove_tree(folder: &Path, limit: Duration) -> io::Result<()> {
    let end = Instant::now() + limit;
    for group in tree(folder).iter().rev() {
        loop {
            match fs::remove_dir(group) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) if busy(&error) && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(5));
                }
                result => break result?,
            }
        }
    }
    Ok(())
}

fn busy(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::BUSY)
}

/// `folder` and all groups below it, parents first.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut groups = vec![folder.to_owned()];
    let mut next = 0;
    while next < groups.len() {
        groups.extend(children(&groups[next]));
        next += 1;
    }
    groups
}

fn children(folder: &Path) -> Vec<PathBuf> {
    // A group that vanished meanwhile has no children.
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn processes(folder: &Path) -> Vec<Pid> {
    fs::read_to_string(folder.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}
