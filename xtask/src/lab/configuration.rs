//! Files in the lab's /etc for podman, CRIU and the network.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const STORAGE: &str = r#"[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"#;

/// Without systemd: no journal, and cgroups made by hand.
const ENGINE: &str = r#"[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"

[network]
network_backend = "netavark"
firewall_driver = "nftables"

[containers]
log_driver = "k8s-file"
"#;

/// Where v2 has no pids controller, podman's default limit is an error.
const NO_PIDS_LIMIT: &str = "pids_limit = 0\n";

/// crun's restore fails to write cpuset.cpu_exclusive when CRIU dumped the
/// properties of the v1 controllers; naming one that no container of the lab
/// uses makes CRIU leave out the others.
const CRIU_ON_V1: &str = "cgroup-dump-controller hugetlb\n";

/// Writes the files. The lab must be the root already.
pub(super) fn write(v1_controllers: bool, pids_controller: bool) -> Result<()> {
    let limit = if pids_controller { "" } else { NO_PIDS_LIMIT };
    file("/etc/containers/storage.conf", STORAGE)?;
    file("/etc/containers/containers.conf", &format!("{ENGINE}{limit}"))?;
    file("/etc/hostname", "lab\n")?;
    file("/etc/hosts", "127.0.0.1 localhost lab\n::1 localhost\n")?;
    if v1_controllers {
        file("/etc/criu/default.conf", CRIU_ON_V1)?;
    }
    Ok(())
}

fn file(path: &str, text: &str) -> Result<()> {
    let folder = Path::new(path).parent().expect("each path has a folder");
    fs::create_dir_all(folder).and_then(|()| fs::write(path, text)).with_context(|| format!("cannot write {path}"))
}
