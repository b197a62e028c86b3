//! What a run must leave as it was: mounts, cgroups, files, processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::lab::{Container, has_come, wait_for};

/// What there is besides the container and its archives.
#[derive(Debug)]
pub(crate) struct World(BTreeSet<String>);

impl World {
    /// As it is when nobody is at work, with the archives in `folder`.
    pub(crate) fn at_rest(folder: &Path) -> Self {
        wait_for("podman's end", || (processes().len() == 1).then(|| World::seen(folder)))
    }

    fn seen(folder: &Path) -> Self {
        let mut things = BTreeSet::new();
        let mut add =
            |kind: &str, names: Vec<String>| things.extend(names.into_iter().map(|name| format!("{kind} {name}")));
        add("mount", mount_points());
        add("cgroup", cgroups(Path::new("/sys/fs/cgroup")));
        for place in [
            "/run/netns",
            "/run/ckpt",
            "/run/ckpt/sessions",
            "/run/ckpt/sessions/tmp",
            "/run/ckpt/sessions/memory",
            "/run/crun",
            "/run/runc",
            "/tmp",
            "/var/tmp",
        ] {
            add("file", names_in(Path::new(place)));
        }
        add("file", names_in(folder));
        let storage = Path::new("/var/lib/containers/storage");
        for place in
            [storage.to_owned(), storage.join("overlay"), storage.join("overlay-containers"), storage.join("volumes")]
        {
            add("file", names_in(&place));
        }
        add("process", processes());
        World(things)
    }

    /// Processes and mounts of what has ended go a moment later, and empty cgroups whenever podman comes upon them.
    pub(crate) fn assert_same(&self, folder: &Path) {
        let mut now = World::seen(folder);
        let is_same = has_come(|| {
            now = World::seen(folder);
            (now.more_than(self).is_empty() && self.lost_in(&now).is_empty()).then_some(())
        });
        if is_same.is_none() {
            panic!("left behind: {:?}, gone: {:?}", now.more_than(self), self.lost_in(&now));
        }
    }

    fn more_than<'w>(&'w self, before: &'w World) -> Vec<&'w String> {
        self.0.difference(&before.0).collect()
    }

    fn lost_in<'w>(&'w self, now: &'w World) -> Vec<&'w String> {
        self.0.difference(&now.0).filter(|thing| !thing.starts_with("cgroup ")).collect()
    }
}

fn mount_points() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(|path| path.to_owned())
        .filter(|path| !path.starts_with("/run/netns"))
        .collect()
}

fn cgroups(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        found.push(entry.path().to_string_lossy().into_owned());
        found.extend(cgroups(&entry.path()));
    }
    found
}

/// Locks of names stay, as do the versions of programs, and the folders for podman's temporary files and for notes on
/// memory that comes later.
fn names_in(folder: &Path) -> Vec<String> {
    let is_netns = folder.ends_with("netns");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let kept = names.filter(|name| {
        let stays = name.ends_with(".lock") || matches!(&name[..], "versions.json" | "sessions" | "tmp" | "memory");
        !stays && !is_podmans_own(folder, name)
    });
    // A restored container has another network namespace than before: only their number tells.
    kept.enumerate()
        .map(|(number, name)| if is_netns { format!("netns {number}") } else { format!("{}/{name}", folder.display()) })
        .collect()
}

/// What podman makes in its storage when it first looks for secrets, be it in the middle of a test; and what it leaves
/// there if it is killed in the moment in which it notes something: the rest of a transaction, which the next podman
/// undoes, and an empty layer that it has no container for (`podman system check`).
fn is_podmans_own(folder: &Path, name: &str) -> bool {
    let storage = Path::new("/var/lib/containers/storage");
    let is_noted = || {
        let containers = fs::read_to_string(storage.join("overlay-containers/containers.json")).unwrap();
        let layers = fs::read_to_string(storage.join("overlay-layers/layers.json")).unwrap();
        containers.contains(name) || !layers.contains(name)
    };
    let is_empty = |layer: &Path| fs::read_dir(layer.join("diff")).is_ok_and(|mut entries| entries.next().is_none());
    // podman keeps its list of short-lived containers when the last of them is gone.
    let is_empty_list =
        || matches!(fs::read_to_string(folder.join(name)).unwrap_or_default().trim(), "" | "[]" | "null");
    matches!(name, "db.sql-journal" | "secrets")
        || (name == "volatile-containers.json" && is_empty_list())
        || name.starts_with(".tmp-")
        || (folder == storage.join("overlay") && is_empty(&folder.join(name)) && !is_noted())
}

/// Of those that take part in a checkpoint or restore, and how many containers are watched.
fn processes() -> Vec<String> {
    let (mut taking_part, mut conmons) = (Vec::new(), 0);
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        match fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim() {
            // One whose container has ended is about to end as well. One of an `exec` over podman's socket waits for five
            // minutes in a child of its own before it has podman tidy up.
            "conmon" => conmons += u32::from(has_others_as_children(&entry.path())),
            name @ ("criu" | "podman" | "ckpt" | "runc" | "crun" | "ckpt-hook" | "criu-pages" | "uffd-reserve") => {
                taking_part.push(name.to_owned())
            }
            _ => {}
        }
    }
    taking_part.push(format!("{conmons} times conmon"));
    taking_part
}

fn has_others_as_children(process: &Path) -> bool {
    let tasks = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let is_conmon =
        |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "conmon");
    children.flat_map(|pids| pids.split_whitespace().map(is_conmon).collect::<Vec<_>>()).any(|is_conmon| !is_conmon)
}

/// Tasks of the container that are stopped or traced, and whether its cgroup is frozen.
pub(crate) fn frozen_tasks(container: &Container) -> Vec<String> {
    let group = format!("/sys/fs/cgroup{}", container.cgroup());
    let mut found = Vec::new();
    if fs::read_to_string(format!("{group}/cgroup.freeze")).unwrap().trim() != "0" {
        found.push(format!("{group} is frozen"));
    }
    for pid in fs::read_to_string(format!("{group}/cgroup.procs")).unwrap().lines() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
        if matches!(state, Some("T" | "t")) {
            found.push(stat);
        }
    }
    found
}
