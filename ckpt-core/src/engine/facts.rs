//! What podman tells of containers and its storage, as far as it matters here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What `podman container inspect` says of a container, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ContainerFacts {
    pub(crate) id: String,
    pub(crate) name: String,
    /// ID of the image it was made from; empty for `--rootfs`.
    #[serde(default)]
    pub(crate) image: String,
    #[serde(default)]
    pub(crate) image_name: String,
    /// The directory of `--rootfs`.
    #[serde(default)]
    pub(crate) rootfs: String,
    /// ID of its pod.
    #[serde(default)]
    pub(crate) pod: String,
    /// Whether it holds its pod's namespaces.
    #[serde(default)]
    pub(crate) is_infra: bool,
    /// IDs of containers that have to run before it.
    #[serde(default)]
    pub(crate) dependencies: Vec<String>,
    #[serde(default)]
    pub(crate) conmon_pid_file: String,
    #[serde(default)]
    pub(crate) pid_file: String,
    #[serde(default)]
    pub(crate) config: ConfigFacts,
    #[serde(rename = "OCIConfigPath", default)]
    pub(crate) oci_config_path: PathBuf,
    #[serde(rename = "OCIRuntime", default)]
    pub(crate) oci_runtime: String,
    pub(crate) state: State,
    pub(crate) graph_driver: GraphDriver,
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
    #[serde(default)]
    pub(crate) network_settings: NetworkSettings,
}

impl ContainerFacts {
    /// Whether podman knows of an address of it.
    pub(crate) fn has_address(&self) -> bool {
        let NetworkSettings { networks, .. } = &self.network_settings;
        networks.iter().flatten().any(|(_, endpoint)| !endpoint.ip_address.is_empty())
    }
}

/// `Config` of `podman container inspect`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ConfigFacts {
    pub(crate) health_log_destination: String,
    /// Those that are files in the container.
    pub(crate) secrets: Option<Vec<SecretFacts>>,
}

/// One of its `Secrets`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct SecretFacts {
    pub(crate) name: String,
}

/// `NetworkSettings` of `podman container inspect`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NetworkSettings {
    networks: Option<BTreeMap<String, Endpoint>>,
    /// By ports of the container, as `80/tcp`.
    pub(crate) ports: Option<BTreeMap<String, Option<Vec<HostPort>>>>,
}

/// Where the host publishes a port.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostPort {
    /// Empty, or 0.0.0.0, for all addresses.
    #[serde(default)]
    pub(crate) host_ip: String,
    #[serde(default)]
    pub(crate) host_port: String,
}

/// One of its `Networks`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    /// Empty if it has none.
    #[serde(rename = "IPAddress")]
    ip_address: String,
}

/// `State` of `podman container inspect`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    pub(crate) status: String,
    /// Its first process, on the host; 0 if it does not run.
    #[serde(default)]
    pub(crate) pid: u32,
    /// Whether it was checkpointed when it stopped: its memory is in its bundle.
    #[serde(default)]
    pub(crate) checkpointed: bool,
}

impl State {
    /// Whether podman has not come so far that it ran, or has begun to remove it: `configured`, `created` and
    /// `initialized` are its words for what never did, also after a reboot (libpod, `resetContainerState`). One that is
    /// `removing` can only be removed, also if podman was killed over it.
    pub(crate) fn is_half_made(&self) -> bool {
        matches!(&self.status[..], "configured" | "created" | "initialized" | "removing")
    }

    /// Whether it has files, and no processes.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(&self.status[..], "configured" | "created" | "initialized" | "exited" | "stopped")
    }
}

/// `GraphDriver` of `podman container inspect`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GraphDriver {
    pub(crate) name: String,
}

/// One of `Mounts` of `podman container inspect`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mount {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    /// A volume's name.
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) source: PathBuf,
    /// A volume's.
    #[serde(default)]
    pub(crate) driver: String,
}

/// What `podman volume inspect` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VolumeFacts {
    #[serde(default)]
    driver: String,
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
}

impl VolumeFacts {
    /// Whether it has a driver or options of its own, which an archive does not keep.
    pub(crate) fn is_special(&self) -> bool {
        self.driver != "local" || self.options.as_ref().is_some_and(|options| !options.is_empty())
    }
}

/// `store` of `podman info`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreFacts {
    pub(crate) graph_root: PathBuf,
    pub(crate) run_root: PathBuf,
    pub(crate) graph_driver_name: String,
    /// The folder of volumes, each below in one of its name.
    #[serde(default)]
    pub(crate) volume_path: PathBuf,
}

/// The folder of the container's OCI bundle: podman's `userdata`.
pub(crate) fn bundle(facts: &ContainerFacts) -> &Path {
    facts.oci_config_path.parent().unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inspect_is_read_without_what_does_not_matter() {
        let facts: ContainerFacts = serde_json::from_str(
            r#"{"Id":"ab","Name":"web","Image":"cd","ImageName":"i","OCIConfigPath":"/g/userdata/config.json",
                "OCIRuntime":"runc","State":{"Status":"running","Pid":7},"GraphDriver":{"Name":"overlay","Data":{}},
                "Mounts":[{"Type":"volume","Name":"v","Source":"/g/volumes/v/_data","Destination":"/data"}]}"#,
        )
        .unwrap();
        assert_eq!(bundle(&facts), Path::new("/g/userdata"));
        assert_eq!(facts.mounts[0].name, "v");
    }
}
