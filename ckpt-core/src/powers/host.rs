//! The host, as far as an archive's powers depend on it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::storage;

/// podman's default, which storage.conf can change.
const RUN_ROOT: &str = "/run/containers/storage";

/// What other containers of this host have, and where podman keeps its own files.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Files below it podman names anew at a restore.
    pub(crate) run_root: PathBuf,
    pub(crate) selinux: bool,
    pub(crate) apparmor: bool,
}

impl Host {
    pub(crate) fn here() -> Self {
        let run_root = storage::configured().map(|storage| storage.run_root().to_owned());
        Host {
            run_root: run_root.unwrap_or_else(|| RUN_ROOT.into()),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            apparmor: fs::read("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with(b"Y")),
        }
    }
}
