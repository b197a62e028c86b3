//! podman's storage, the folder for archives, and whether files can be cloned in and between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{statfs, statvfs};
use serde::Deserialize;
use serde_json::Value;

use super::finding::Finding;
use super::speed;
use crate::engine::storage;
use crate::engine::words::last_words;
use crate::host::interrupt::Interrupt;
use crate::host::programs;

/// Below this much free space a checkpoint may well fail, bytes.
const LITTLE: u64 = 1 << 30;

/// Names of file systems by their magic numbers, linux/magic.h and statfs(2).
const FILE_SYSTEMS: [(i64, &str); 11] = [
    (0x9123_683e, "btrfs"),
    (0x5846_5342, "xfs"),
    (0xef53, "ext4"),
    (0x0102_1994, "tmpfs"),
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0x6573_5546, "fuse"),
    (0x4d44, "vfat"),
];

#[derive(Deserialize)]
struct Info {
    store: Store,
}

/// `store` of `podman info`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    graph_root: PathBuf,
    graph_driver_name: String,
    #[serde(default)]
    graph_options: BTreeMap<String, Value>,
    #[serde(default)]
    graph_status: BTreeMap<String, String>,
}

pub(super) fn examine(folder: &Path, is_root: bool, interrupt: Option<&Interrupt>) -> Vec<Finding> {
    let (mut findings, graph_root) = driver(is_root, interrupt);
    if let Some(graph_root) = &graph_root {
        findings.push(file_system("storage", graph_root));
        findings.push(reflink("reflink in the storage", graph_root, graph_root));
    }
    findings.push(file_system("folder", folder));
    if let Some(graph_root) = &graph_root {
        findings.push(reflink("reflink to the folder", graph_root, folder));
        findings.push(speed::expected(graph_root));
    }
    findings
}

/// The driver with its options, and where the storage is.
fn driver(is_root: bool, interrupt: Option<&Interrupt>) -> (Vec<Finding>, Option<PathBuf>) {
    let check = "storage driver";
    if !is_root {
        return (vec![Finding::unknown(check, "another user has another storage", "try again with sudo")], None);
    }
    let configured = || storage::configured().map(|storage| storage.graph_root().to_owned());
    let Ok(podman) = programs::find("podman") else {
        return (vec![Finding::unknown(check, "podman would say", "install podman")], configured());
    };
    let info = match programs::run(Command::new(podman).args(["info", "--format", "json"]), interrupt) {
        Ok(output) if output.status.success() => {
            serde_json::from_slice::<Info>(&output.stdout).map_err(|error| error.to_string())
        }
        Ok(output) => Err(last_words(&output.stderr)),
        Err(error) => Err(error.to_string()),
    };
    match info {
        Ok(Info { store }) => (vec![store.finding()], Some(store.graph_root)),
        Err(words) => (
            vec![Finding::problem(check, format!("podman info: {words}"), "see to it that `podman info` works")],
            configured(),
        ),
    }
}

impl Store {
    fn finding(&self) -> Finding {
        let check = "storage driver";
        let found = format!("{}{} in {}", self.graph_driver_name, self.options(), self.graph_root.display());
        let has = |option: &str| self.graph_options.keys().any(|name| name.ends_with(option));
        if self.graph_driver_name != "overlay" {
            let advice = "only overlay has layers to take files from: set driver = \"overlay\" in storage.conf for new \
                          containers, or use podman itself";
            return Finding::problem(check, found, advice);
        }
        if has("mount_program") {
            let advice = "fuse-overlayfs hides its layers: remove mount_program from storage.conf";
            return Finding::problem(check, found, advice);
        }
        if has("use_composefs") {
            return Finding::problem(check, found, "remove use_composefs from storage.conf, or use podman itself");
        }
        Finding::ok(check, found)
    }

    fn options(&self) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let options = self.graph_options.iter().map(|(name, value)| format!("{name}={}", text(value)));
        let metacopy = self.graph_status.get("Using metacopy").map(|used| format!("metacopy={used}"));
        options.chain(metacopy).map(|option| format!(", {option}")).collect()
    }
}

fn file_system(check: &'static str, folder: &Path) -> Finding {
    let place = folder.display();
    let (stat, space) = match (statfs(folder), statvfs(folder)) {
        (Ok(stat), Ok(space)) => (stat, space),
        (Err(errno), _) | (_, Err(errno)) => {
            return Finding::problem(check, format!("{place}: {errno}"), "choose a folder that is there");
        }
    };
    let name = FILE_SYSTEMS.iter().find(|(magic, _)| *magic == stat.f_type);
    let name = name.map_or_else(|| format!("file system {:#x}", stat.f_type), |(_, name)| (*name).to_owned());
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let found = format!("{name}, {:.1} GiB free, {place}", free as f64 / (1_u64 << 30) as f64);
    match free {
        0..LITTLE => Finding::warning(check, found, "make room: less than 1 GiB is free"),
        _ => Finding::ok(check, found),
    }
}

/// Tried with one block of a file without a name.
fn reflink(check: &'static str, from: &Path, to: &Path) -> Finding {
    let advice = match from == to {
        true => {
            "put the storage on Btrfs or XFS: without reflink files are copied, most of them while the container runs"
        }
        false => {
            "archives are copied there, after the container runs again: a folder on the storage's file system is faster"
        }
    };
    let tried = tempfile::tempfile_in(to).map_err(|error| format!("create a file in {}: {error}", to.display()));
    let tried = tried.and_then(|target| {
        storage::can_clone(from, &target).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    });
    match tried {
        Ok(true) => Finding::ok(check, "yes, tried"),
        Ok(false) => Finding::warning(check, "no, tried", advice),
        Err(words) => Finding::problem(check, words, "see to it that files can be made there"),
    }
}
