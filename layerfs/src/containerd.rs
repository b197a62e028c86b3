//! containerd's running containers, found in the folder where its runtime keeps their state.
//!
//! ```text
//! state/io.containerd.runtime.v2.task/NAMESPACE/ID/
//!   init.pid   the first process, which has the overlay for its root
//!   rootfs/    where the overlay is mounted, unless another engine did that (Docker's are in the namespace `moby`)
//! ```
//!
//! The snapshotter's own records are a database of containerd's. What runs is mounted, and the kernel knows the
//! directories of that: so containers of `ctr`, nerdctl, Kubernetes and Docker are all found, whichever snapshotter's
//! overlay they have. Of a container that does not run nothing is found here.
//!
//! Source: `core/runtime/v2/bundle.go` and `core/runtime/v2/shim.go` of containerd.

mod error;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::bounded_read;
use crate::layers::{LayerStore, Layers};
use crate::mountinfo::OverlayMounts;
pub use error::ContainerdError;

/// Where containerd keeps the state of what runs by default.
const STATE: &str = "/run/containerd";

/// The file that names another folder.
const CONFIG: &str = "/etc/containerd/config.toml";

/// The runtime's folder in there; its name is the one of the plugin since containerd 1.3.
const TASKS: &str = "io.containerd.runtime.v2.task";

/// A configuration is some KiB, the number of a process some digits.
const CONFIG_LIMIT: u64 = 1 << 20;
const PID_LIMIT: u64 = 64;

/// The running containers of one containerd.
#[derive(Clone, Debug)]
pub struct Containerd {
    state: PathBuf,
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerdTask {
    /// containerd's own namespace: `default` for `ctr`, `k8s.io` for Kubernetes, `moby` for Docker.
    pub namespace: String,
    /// Its ID.
    pub id: String,
    /// Its first process.
    pub pid: u32,
}

#[derive(Deserialize)]
struct Config {
    state: Option<PathBuf>,
}

impl Containerd {
    /// The one with this state folder.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self { state: state.into() }
    }

    /// The one that this machine's `config.toml` is of, `/run/containerd` by default.
    ///
    /// # Errors
    /// [`ContainerdError::Config`] if that file is not TOML.
    pub fn from_config() -> Result<Self, ContainerdError> {
        let path = Path::new(CONFIG);
        let text = bounded_read::read_optional(path, CONFIG_LIMIT)?.unwrap_or_default();
        let config: Config = toml::from_str(&String::from_utf8_lossy(&text))
            .map_err(|source| ContainerdError::Config { path: path.into(), source })?;
        Ok(Self::new(config.state.unwrap_or_else(|| STATE.into())))
    }

    /// The folder of the state.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The running container with exactly this ID, in whichever namespace of containerd.
    ///
    /// # Errors
    /// [`ContainerdError::Ambiguous`] if several namespaces have one, [`ContainerdError::List`] where the state cannot be
    /// read.
    pub fn task(&self, id: &str) -> Result<Option<ContainerdTask>, ContainerdError> {
        if matches!(id, "" | "." | "..") || id.contains('/') {
            return Ok(None);
        }
        let mut found = Vec::new();
        for namespace in names_in(&self.state.join(TASKS))? {
            found.extend(self.task_in(&namespace, id)?);
        }
        if found.len() > 1 {
            let namespaces = found.into_iter().map(|task| task.namespace).collect();
            return Err(ContainerdError::Ambiguous { id: id.into(), namespaces });
        }
        Ok(found.pop())
    }

    /// The directories of a running container.
    ///
    /// # Errors
    /// [`ContainerdError::Mounts`] if it has ended since, or its root is no overlay.
    pub fn layers_of(&self, task: &ContainerdTask) -> Result<Layers, ContainerdError> {
        Ok(OverlayMounts::of_process(task.pid).layers_at(Path::new("/"))?)
    }

    fn task_in(&self, namespace: &str, id: &str) -> Result<Option<ContainerdTask>, ContainerdError> {
        let path = self.state.join(TASKS).join(namespace).join(id).join("init.pid");
        let pid = bounded_read::read_optional(&path, PID_LIMIT)?;
        let pid = pid.and_then(|pid| String::from_utf8_lossy(&pid).trim().parse().ok());
        Ok(pid.map(|pid| ContainerdTask { namespace: namespace.into(), id: id.into(), pid }))
    }
}

impl LayerStore for Containerd {
    type Error = ContainerdError;

    /// `merged` is `state/io.containerd.runtime.v2.task/NAMESPACE/ID/rootfs`.
    fn layers_at(&self, merged: &Path) -> Result<Layers, ContainerdError> {
        let not_ours = || ContainerdError::NotAMountPoint { path: merged.into() };
        let resolved = merged.canonicalize().unwrap_or_else(|_| merged.into());
        let tasks = self.state.join(TASKS);
        let below = resolved.strip_prefix(tasks.canonicalize().unwrap_or(tasks)).map_err(|_| not_ours())?;
        let [Component::Normal(namespace), Component::Normal(id), Component::Normal(name)] =
            below.components().collect::<Vec<_>>()[..]
        else {
            return Err(not_ours());
        };
        let (Some(namespace), Some(id), true) = (namespace.to_str(), id.to_str(), name == "rootfs") else {
            return Err(not_ours());
        };
        let task = self.task_in(namespace, id)?.ok_or_else(not_ours)?;
        Ok(Layers { merged: Some(merged.into()), ..self.layers_of(&task)? })
    }
}

/// Sorted; none if there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>, ContainerdError> {
    let failed = |source| ContainerdError::List { path: folder.into(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(tasks: &[(&str, &str, &str)]) -> (tempfile::TempDir, Containerd) {
        let state = tempfile::tempdir().unwrap();
        for (namespace, id, pid) in tasks {
            let folder = state.path().join(TASKS).join(namespace).join(id);
            fs::create_dir_all(folder.join("rootfs")).unwrap();
            fs::write(folder.join("init.pid"), pid).unwrap();
        }
        let store = Containerd::new(state.path());
        (state, store)
    }

    #[test]
    fn a_task_is_found_in_any_namespace_and_two_of_one_id_are_told() {
        let (_state, store) = store(&[("default", "web", "7"), ("k8s.io", "twice", "8"), ("moby", "twice", "9")]);
        let task = ContainerdTask { namespace: "default".into(), id: "web".into(), pid: 7 };
        assert_eq!(store.task("web").unwrap(), Some(task));
        for none in ["", "..", "no", "../default/web"] {
            assert_eq!(store.task(none).unwrap(), None, "{none}");
        }
        let twice = store.task("twice").unwrap_err();
        assert!(matches!(&twice, ContainerdError::Ambiguous { namespaces, .. } if namespaces.len() == 2), "{twice}");
        assert_eq!(Containerd::new("/no/such/folder").task("web").unwrap(), None);
    }

    #[test]
    fn only_the_root_of_a_task_is_a_mount_point_of_its() {
        let own = std::process::id().to_string();
        let (state, store) = store(&[("default", "web", &own)]);
        let below = |path: &str| store.layers_at(&state.path().join(TASKS).join(path));
        for path in ["default/web", "default/web/rootfs/etc", "default/none/rootfs", ""] {
            assert!(matches!(below(path), Err(ContainerdError::NotAMountPoint { .. })), "{path}");
        }
        // Its process is this one, whose root is no overlay, or one that is not its.
        assert!(!matches!(below("default/web/rootfs"), Err(ContainerdError::NotAMountPoint { .. })));
    }
}
