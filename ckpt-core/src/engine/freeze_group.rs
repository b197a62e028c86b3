//! Which cgroup the OCI runtime has CRIU freeze: the one in its own record of the container.
//!
//! | runtime | record | says |
//! |---|---|---|
//! | crun | `/run/crun/ID/status` | `cgroup-path`, below the mount of cgroups |
//! | runc | `/run/runc/ID/state.json` | `cgroup_paths`, that of v2 under an empty name |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::cgroup;
use crate::host::freezer::Freezer;

/// crun's record.
#[derive(Deserialize)]
struct Status {
    #[serde(rename = "cgroup-path")]
    cgroup_path: PathBuf,
}

/// runc's record.
#[derive(Deserialize)]
struct State {
    cgroup_paths: BTreeMap<String, PathBuf>,
}

/// The folder of the group of cgroups v2 that the container `id` is frozen by; `None` where that is not certain.
pub(crate) fn of(id: &str) -> Option<PathBuf> {
    let Some(Freezer::Unified(root)) = Freezer::here() else { return None };
    let by_crun = || {
        let Status { cgroup_path } = read(&Path::new("/run/crun").join(id).join("status"))?;
        Some(root.join(cgroup_path.strip_prefix("/").ok()?))
    };
    let by_runc = || {
        let State { mut cgroup_paths } = read(&Path::new("/run/runc").join(id).join("state.json"))?;
        cgroup_paths.remove("")
    };
    let group: PathBuf = by_crun().or_else(by_runc)?;
    let name = format!("/{}", group.strip_prefix(&root).ok()?.to_str()?);
    cgroup::of_container(&name, id).map(|_| group)
}

fn read<T: DeserializeOwned>(record: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(record).ok()?).ok()
}
