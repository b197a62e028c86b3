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

/// Makes CRIU dump the v2 group of a task (the controller without a name) and
/// none of the v1 groups. By default crun's restore makes v1 groups anew, which
/// fails for cpuset and leaves the others behind. With any other name here the
/// v2 group is not dumped: then only the first task comes back into the
/// container's group, and the next checkpoint cannot freeze its children.
const CRIU_ON_V1: &str = "cgroup-dump-controller \"\"\n";

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
