//! What `config.dump`, podman's own description of the container, grants (`ContainerConfig` in libpod).

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::{Host, Privilege};
use crate::archive::CONFIG_DUMP;

/// Folders that only root fills, where runtimes and podman are installed.
const PROGRAM_FOLDERS: [&str; 6] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"];

/// A field that podman never writes so.
#[derive(Debug)]
pub(crate) struct Forgery {
    pub(crate) member: &'static str,
    pub(crate) field: &'static str,
    pub(crate) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    runtime: String,
    conmon_pid_file: String,
    #[serde(rename = "pid_file")]
    pid_file: String,
    health_log_destination: String,
    base_hosts_file: String,
    timezone: String,
    mounts: Vec<String>,
    named_volumes: Vec<NamedVolume>,
    overlay_volumes: Vec<OverlayVolume>,
    secrets: Vec<Secret>,
    #[serde(rename = "secret_env")]
    secret_env: BTreeMap<String, Secret>,
    privileged: bool,
    mount_all_devices: bool,
    cdi_devices: Vec<String>,
    new_port_mappings: Vec<Port>,
    /// As podman 3 wrote them; newer ones still read them.
    port_mappings: Vec<OldPort>,
    #[serde(rename = "createNetNS")]
    create_net_ns: bool,
    #[serde(rename = "network_options")]
    network_options: BTreeMap<String, Vec<String>>,
    cgroup_parent: String,
    pod: String,
    ipc_ns_ctr: String,
    mount_ns_ctr: String,
    net_ns_ctr: String,
    pid_ns_ctr: String,
    user_ns_ctr: String,
    uts_ns_ctr: String,
    cgroup_ns_ctr: String,
    #[serde(rename = "ProcessLabel")]
    process_label: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedVolume {
    dest: String,
    options: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OverlayVolume {
    dest: String,
    source: String,
    options: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Secret {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Port {
    host_ip: String,
    host_port: u32,
    container_port: u32,
    range: u32,
    protocol: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OldPort {
    #[serde(rename = "hostIP")]
    host_ip: String,
    host_port: u32,
    container_port: u32,
    protocol: String,
}

impl Config {
    pub(super) fn privileges(&self, host: &Host) -> Vec<Privilege> {
        let mut privileges: Vec<Privilege> = self.program().into_iter().collect();
        privileges.extend(self.files());
        privileges.extend(self.privileged.then_some(Privilege::Privileged));
        privileges.extend(self.overlay_volumes.iter().map(OverlayVolume::privilege));
        privileges.extend(self.mount_all_devices.then_some(Privilege::AllDevices));
        let device = |name: &String| Privilege::Device { path: name.clone(), number: "(CDI)".into() };
        privileges.extend(self.cdi_devices.iter().map(device));
        privileges.extend(self.namespaces());
        let secrets = self.secrets.iter().chain(self.secret_env.values());
        privileges.extend(secrets.map(|secret| Privilege::Secret { name: secret.name.clone() }));
        privileges.extend(self.read_files());
        privileges.extend(self.new_port_mappings.iter().map(Port::privilege));
        privileges.extend(self.port_mappings.iter().map(OldPort::privilege));
        let options = self.network_options.iter().filter(|(_, options)| !options.is_empty());
        privileges
            .extend(options.map(|(name, options)| Privilege::Option { name: name.clone(), value: options.join(",") }));
        // In a pod podman takes the pod's.
        if self.pod.is_empty() && !self.cgroup_parent.is_empty() {
            privileges.push(Privilege::Cgroup { parent: self.cgroup_parent.clone() });
        }
        if host.selinux && self.process_label.is_empty() {
            privileges.push(Privilege::Unconfined { missing: "SELinux label".into() });
        }
        privileges
    }

    /// Whether podman makes the network namespace, whatever the specification says.
    pub(super) fn makes_network(&self) -> bool {
        self.create_net_ns
    }

    pub(super) fn has_volume_at(&self, destination: &str) -> bool {
        self.named_volumes.iter().any(|volume| volume.dest == destination)
    }

    /// What no archive of podman has: it takes `volume-opt` out of a container's volumes, and never imports a container
    /// on a directory. It takes away what `mounts` names when the container ends, and reads the time zone's file.
    pub(super) fn forgery(&self) -> Option<Forgery> {
        let options = self.named_volumes.iter().flat_map(|volume| &volume.options);
        let found = |field, value: Option<&String>| Some((field, value?.clone()));
        let climbs = |path: &&String| Path::new(path).components().any(|part| part == Component::ParentDir);
        let (field, value) = found("namedVolumes", options.clone().find(|option| option.starts_with("volume-opt")))
            .or_else(|| found("mounts", self.mounts.first()))
            .or_else(|| found("timezone", Some(&self.timezone).filter(climbs)))
            .or_else(|| found("cgroupParent", Some(&self.cgroup_parent).filter(climbs)))?;
        Some(Forgery { member: CONFIG_DUMP, field, value })
    }

    fn program(&self) -> Option<Privilege> {
        let privilege = || Privilege::HostProgram { when: "runtime".into(), command: self.runtime.clone() };
        (!is_runtime(&self.runtime)).then(privilege)
    }

    fn files(&self) -> Vec<Privilege> {
        let health_log = self.health_log_destination.as_str();
        let files = [
            ("conmonPidFile", &self.conmon_pid_file, self.conmon_pid_file.is_empty()),
            ("pid_file", &self.pid_file, self.pid_file.is_empty()),
            (
                "healthLogDestination",
                &self.health_log_destination,
                matches!(health_log, "" | "local" | "events_logger" | "none"),
            ),
        ];
        let privilege =
            |(field, path, _): (&str, &String, bool)| Privilege::HostFile { field: field.into(), path: path.clone() };
        files.into_iter().filter(|(_, _, is_usual)| !is_usual).map(privilege).collect()
    }

    fn read_files(&self) -> Option<Privilege> {
        let is_usual = matches!(self.base_hosts_file.as_str(), "" | "image" | "none");
        let value = self.base_hosts_file.clone();
        (!is_usual).then(|| Privilege::Option { name: "baseHostsFile".into(), value })
    }

    /// Those of the pod's own container are replaced by podman where the pod is another.
    fn namespaces(&self) -> Vec<Privilege> {
        let joined = [
            ("ipc", &self.ipc_ns_ctr),
            ("mount", &self.mount_ns_ctr),
            ("network", &self.net_ns_ctr),
            ("pid", &self.pid_ns_ctr),
            ("user", &self.user_ns_ctr),
            ("uts", &self.uts_ns_ctr),
            ("cgroup", &self.cgroup_ns_ctr),
        ];
        let privilege = |(namespace, id): (&str, &String)| Privilege::Namespace {
            namespace: namespace.into(),
            of: match self.pod.is_empty() {
                true => format!("container {id}"),
                false => "its pod".into(),
            },
        };
        joined.into_iter().filter(|(_, id)| !id.is_empty()).map(privilege).collect()
    }
}

impl OverlayVolume {
    /// What the container writes goes to `upperdir` and `workdir`, where they are given.
    fn privilege(&self) -> Privilege {
        let is_write = |option: &&String| option.starts_with("upperdir=") || option.starts_with("workdir=");
        Privilege::HostMount {
            source: self.source.clone(),
            destination: self.dest.clone(),
            read_only: !self.options.iter().any(|option| is_write(&option)),
            options: self.options.clone(),
        }
    }
}

impl Port {
    fn privilege(&self) -> Privilege {
        let Port { host_ip, host_port, container_port, range, protocol } = self;
        let ip = if host_ip.is_empty() { String::new() } else { format!("{host_ip}:") };
        let more = match range {
            0 | 1 => String::new(),
            range => format!(" and {} more", range - 1),
        };
        Privilege::Port { port: format!("{ip}{host_port}:{container_port}/{protocol}{more}") }
    }
}

impl OldPort {
    fn privilege(&self) -> Privilege {
        let OldPort { host_ip, host_port, container_port, protocol } = self;
        let (host_ip, protocol) = (host_ip.clone(), protocol.clone());
        Port { host_ip, host_port: *host_port, container_port: *container_port, range: 1, protocol }.privilege()
    }
}

/// The name of a configured runtime, or one in a folder of programs: podman runs whatever stands here.
fn is_runtime(runtime: &str) -> bool {
    match runtime.rsplit_once('/') {
        None => !runtime.starts_with('-'),
        Some((folder, name)) => PROGRAM_FOLDERS.contains(&folder) && matches!(name, "runc" | "crun"),
    }
}
