//! What a container may do in all, by its OCI configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::archive::{ArchiveError, CONFIG_DUMP, CheckpointArchive, SPEC_DUMP};

/// What a container may do. [`Inspection::privileges`](crate::inspect::Inspection::privileges) has what is beyond the
/// ordinary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// User and group of its first process.
    pub user: [u32; 2],
    /// Its capabilities.
    pub capabilities: Vec<String>,
    /// Whether programs that it starts get no further rights.
    pub no_new_privileges: bool,
    /// Whether its system calls are filtered.
    pub seccomp: bool,
    /// Its profile of AppArmor; empty for none.
    pub apparmor_profile: String,
    /// Its label of SELinux; empty for none.
    pub selinux_label: String,
    /// Whether it cannot write to its root.
    pub read_only_root: bool,
    /// Its devices beside those of every container: path, kind and numbers.
    pub devices: Vec<String>,
    /// Where its network is: `own`, `host`, or the path of a namespace.
    pub network: String,
    /// Ports that the host publishes.
    pub ports: Vec<Port>,
    /// How much memory it may use, bytes; none for no limit.
    pub memory_bytes: Option<u64>,
    /// How many processes it may have; none for no limit.
    pub processes: Option<u64>,
    /// How much of the processors it may use, in thousandths of one; none for no limit.
    pub cpu_thousandths: Option<u64>,
}

/// A port of the host that leads to one of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The host's address; empty for all.
    pub host_ip: String,
    /// Of the host.
    pub host_port: u16,
    /// Of the container.
    pub container_port: u16,
    /// How many there are; 0 is one.
    pub range: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    new_port_mappings: Option<Vec<Port>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    process: SpecProcess,
    root: Root,
    linux: Linux,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpecProcess {
    user: User,
    capabilities: BTreeMap<String, Option<Vec<String>>>,
    no_new_privileges: bool,
    apparmor_profile: String,
    selinux_label: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    uid: u32,
    gid: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Root {
    readonly: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Linux {
    devices: Vec<Device>,
    namespaces: Vec<Namespace>,
    resources: Resources,
    seccomp: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    major: i64,
    minor: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    memory: Memory,
    pids: Pids,
    cpu: Cpu,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    limit: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pids {
    limit: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu {
    quota: Option<i64>,
    period: Option<u64>,
}

pub(super) fn of(archive: &CheckpointArchive) -> Result<Rights, ArchiveError> {
    let config: Config = archive.dump(CONFIG_DUMP)?;
    Ok(rights(archive.dump(SPEC_DUMP)?, config))
}

fn rights(spec: Spec, config: Config) -> Rights {
    let Spec { process, root, linux } = spec;
    let positive = |value: Option<i64>| value.filter(|value| *value > 0).and_then(|value| u64::try_from(value).ok());
    let cpu = positive(linux.resources.cpu.quota).zip(linux.resources.cpu.period.filter(|period| *period > 0));
    let device = |device: &Device| format!("{} ({} {}:{})", device.path, device.kind, device.major, device.minor);
    Rights {
        user: [process.user.uid, process.user.gid],
        capabilities: process.capabilities.get("effective").cloned().flatten().unwrap_or_default(),
        no_new_privileges: process.no_new_privileges,
        seccomp: linux.seccomp.is_some(),
        apparmor_profile: process.apparmor_profile,
        selinux_label: process.selinux_label,
        read_only_root: root.readonly,
        devices: linux.devices.iter().map(device).collect(),
        network: network(&linux.namespaces),
        ports: config.new_port_mappings.unwrap_or_default(),
        memory_bytes: positive(linux.resources.memory.limit),
        processes: positive(linux.resources.pids.limit),
        cpu_thousandths: cpu.map(|(quota, period)| quota.saturating_mul(1000) / period),
    }
}

/// podman puts each container into a namespace that it has made below /run/netns, or /run/user for other users.
fn network(namespaces: &[Namespace]) -> String {
    match namespaces.iter().find(|namespace| namespace.kind == "network") {
        None => "host".to_owned(),
        Some(Namespace { path, .. }) if path.is_empty() || path.contains("/netns/netns-") => "own".to_owned(),
        Some(Namespace { path, .. }) => path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of_json(spec: Value, config: Value) -> Rights {
        rights(serde_json::from_value(spec).unwrap(), serde_json::from_value(config).unwrap())
    }

    #[test]
    fn rights_are_what_the_configuration_says() {
        let spec = json!({
            "process": {"user": {"uid": 3, "gid": 4}, "capabilities": {"effective": ["CAP_KILL"], "bounding": null}},
            "root": {"readonly": true},
            "linux": {
                "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}],
                "namespaces": [{"type": "network", "path": "/run/netns/netns-1"}],
                "resources": {"memory": {"limit": 1024}, "pids": {"limit": -1}, "cpu": {"quota": 50_000, "period": 100_000}},
                "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}
            }
        });
        let config = json!({"newPortMappings": [{"host_port": 80, "container_port": 8080, "protocol": "tcp"}]});
        let port = Port { host_port: 80, container_port: 8080, protocol: "tcp".to_owned(), ..Port::default() };
        let expected = Rights {
            user: [3, 4],
            capabilities: vec!["CAP_KILL".to_owned()],
            seccomp: true,
            read_only_root: true,
            devices: vec!["/dev/fuse (c 10:229)".to_owned()],
            network: "own".to_owned(),
            ports: vec![port],
            memory_bytes: Some(1024),
            cpu_thousandths: Some(500),
            ..Rights::default()
        };
        assert_eq!(of_json(spec, config), expected);
        assert_eq!(of_json(json!({}), json!({"newPortMappings": null})).network, "host");
    }
}
