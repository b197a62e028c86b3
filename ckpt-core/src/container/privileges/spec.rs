//! What `spec.dump`, the OCI runtime specification as podman had completed it, grants.

mod annotations;
mod devices;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::Config;
use super::{Forgery, Host, Privilege};
use crate::archive::SPEC_DUMP;
use crate::container::mount::Mount;
use devices::{Device, Resources};

/// podman's default capabilities (containers.conf(5), `default_capabilities`).
const DEFAULT_CAPABILITIES: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Mount points that podman fills itself (`setupContainer` in libpod/runtime_ctr.go).
const PODMANS_MOUNTS: [&str; 8] = [
    "/dev/shm",
    "/etc/resolv.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/run/.containerenv",
    "/run/secrets",
    "/var/run/.containerenv",
    "/var/run/secrets",
];

/// File systems that hold nothing of the host's files.
const OWN_FILE_SYSTEMS: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"];

/// Namespaces that every container has for itself.
const NAMESPACES: [&str; 6] = ["pid", "network", "ipc", "uts", "mount", "cgroup"];

/// Namespaces of which most containers have the host's, and that they may have of others.
const OTHER_NAMESPACES: [&str; 2] = ["user", "time"];

/// What every podman masks, and what it makes read-only (`BlockAccessToKernelFilesystems` in pkg/specgen).
const MASKED: [&str; 5] = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Limits that podman sets by default.
const DEFAULT_RLIMITS: [&str; 2] = ["RLIMIT_NOFILE", "RLIMIT_NPROC"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spec {
    process: Process,
    mounts: Vec<Mount>,
    /// By their moments.
    hooks: BTreeMap<String, Option<Vec<Hook>>>,
    annotations: BTreeMap<String, String>,
    linux: Linux,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Process {
    /// By their sets: `effective` and others.
    capabilities: BTreeMap<String, Option<Vec<String>>>,
    rlimits: Vec<Rlimit>,
    apparmor_profile: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rlimit {
    #[serde(rename = "type")]
    name: String,
    soft: u64,
    hard: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hook {
    path: String,
    args: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<Namespace>,
    devices: Vec<Device>,
    resources: Resources,
    sysctl: BTreeMap<String, String>,
    seccomp: Option<Seccomp>,
    masked_paths: Vec<String>,
    readonly_paths: Vec<String>,
    rootfs_propagation: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Seccomp {
    default_action: String,
    /// A socket of the host, to which the runtime gives the descriptor that sees each system call.
    listener_path: String,
}

impl Spec {
    pub(super) fn privileges(&self, config: &Config, host: &Host) -> Vec<Privilege> {
        let mut privileges = self.hooks();
        privileges.extend(annotations::privileges(&self.annotations));
        privileges.extend(self.mounts(config));
        privileges.extend(devices::privileges(&self.linux.devices, &self.linux.resources));
        privileges.extend(self.capabilities());
        privileges.extend(self.namespaces(config));
        privileges.extend(self.listener());
        privileges.extend(self.propagation());
        privileges.extend(self.unconfined(host));
        privileges.extend(self.unmasked());
        privileges.extend(self.sysctls());
        privileges.extend(self.rlimits());
        privileges
    }

    /// podman gives every container a mount namespace of its own: to pivot the root of another is to take the host's
    /// away. And it names each kind once: of two, runtimes would take the last.
    pub(super) fn forgery(&self) -> Option<Forgery> {
        let spaces = &self.linux.namespaces;
        let is_again = |(at, space): &(usize, &Namespace)| spaces[..*at].iter().any(|before| before.kind == space.kind);
        if let Some((_, again)) = spaces.iter().enumerate().find(is_again) {
            return Some(Forgery { member: SPEC_DUMP, field: "a second namespace", value: again.kind.clone() });
        }
        let joined = spaces.iter().find(|space| space.kind == "mount" && !space.path.is_empty())?;
        Some(Forgery { member: SPEC_DUMP, field: "the path of the mount namespace", value: joined.path.clone() })
    }

    fn hooks(&self) -> Vec<Privilege> {
        let hooks =
            self.hooks.iter().flat_map(|(moment, hooks)| hooks.iter().flatten().map(move |hook| (moment, hook)));
        let program = |(moment, hook): (&String, &Hook)| {
            let arguments = hook.args.iter().skip(1).map(String::as_str);
            let command = std::iter::once(hook.path.as_str()).chain(arguments).collect::<Vec<_>>().join(" ");
            Privilege::HostProgram { when: format!("hook {moment}"), command }
        };
        hooks.map(program).collect()
    }

    /// What stands at a named volume's mount point is covered by the volume: podman mounts that last.
    fn mounts(&self, config: &Config) -> Vec<Privilege> {
        let is_podmans = |mount: &Mount| {
            let destination = mount.destination.as_str();
            PODMANS_MOUNTS.contains(&destination) || config.has_volume_at(destination)
        };
        let is_bind = |mount: &Mount| mount.has_option("bind") || mount.has_option("rbind");
        let is_hosts = |mount: &Mount| is_bind(mount) || !OWN_FILE_SYSTEMS.contains(&mount.kind.as_str());
        let privilege = |mount: &Mount| Privilege::HostMount {
            source: mount.source.clone(),
            destination: mount.destination.clone(),
            read_only: mount.has_option("ro"),
            options: mount.options.clone(),
        };
        self.mounts.iter().filter(|mount| is_hosts(mount) && !is_podmans(mount)).map(privilege).collect()
    }

    fn capabilities(&self) -> Option<Privilege> {
        let mut names: Vec<String> = self.process.capabilities.values().flatten().flatten().cloned().collect();
        names.sort();
        names.dedup();
        names.retain(|name| !DEFAULT_CAPABILITIES.contains(&name.as_str()));
        (!names.is_empty()).then_some(Privilege::Capabilities { names })
    }

    fn namespaces(&self, config: &Config) -> Vec<Privilege> {
        let of = |kind: &str| match self.linux.namespaces.iter().find(|namespace| namespace.kind == kind) {
            // podman makes the network's anew.
            _ if kind == "network" && config.makes_network() => None,
            None if OTHER_NAMESPACES.contains(&kind) => None,
            None => Some("the host".to_owned()),
            Some(namespace) => Some(namespace.path.clone()).filter(|path| !path.is_empty()),
        };
        let privilege = |kind: &&str| Some(Privilege::Namespace { namespace: (*kind).to_owned(), of: of(kind)? });
        NAMESPACES.iter().chain(&OTHER_NAMESPACES).filter_map(privilege).collect()
    }

    fn listener(&self) -> Option<Privilege> {
        let path = self.linux.seccomp.as_ref().map(|seccomp| seccomp.listener_path.clone());
        let field = || "seccomp's listenerPath".to_owned();
        path.filter(|path| !path.is_empty()).map(|path| Privilege::HostFile { field: field(), path })
    }

    /// What is mounted in the container would be on the host as well.
    fn propagation(&self) -> Option<Privilege> {
        let value = self.linux.rootfs_propagation.clone();
        let name = || "rootfsPropagation".to_owned();
        matches!(value.as_str(), "shared" | "rshared").then(|| Privilege::Option { name: name(), value })
    }

    fn unconfined(&self, host: &Host) -> Vec<Privilege> {
        let is_filter = |seccomp: &Seccomp| seccomp.default_action != "SCMP_ACT_ALLOW";
        let profile = self.process.apparmor_profile.as_str();
        let missing = [
            (!self.linux.seccomp.as_ref().is_some_and(is_filter), "seccomp filter"),
            (host.apparmor && matches!(profile, "" | "unconfined") || profile == "unconfined", "AppArmor profile"),
        ];
        let privilege = |(_, what): (bool, &str)| Privilege::Unconfined { missing: what.to_owned() };
        missing.into_iter().filter(|(is_missing, _)| *is_missing).map(privilege).collect()
    }

    fn unmasked(&self) -> Option<Privilege> {
        let (masked, read_only) = (&self.linux.masked_paths, &self.linux.readonly_paths);
        let is_in = |paths: &[String], path: &str| paths.iter().any(|listed| listed == path);
        let open = MASKED.iter().filter(|path| !is_in(masked, path));
        let writable = READ_ONLY.iter().filter(|path| !is_in(read_only, path) && !is_in(masked, path));
        let is_writable = |mount: &&Mount| mount.kind == "sysfs" && !mount.has_option("ro");
        let sysfs = self.mounts.iter().filter(is_writable).map(|mount| mount.destination.clone());
        let paths: Vec<String> = open.chain(writable).map(|path| (*path).to_owned()).chain(sysfs).collect();
        (!paths.is_empty()).then_some(Privilege::Unmasked { paths })
    }

    /// podman's default lets all groups ping.
    fn sysctls(&self) -> Vec<Privilege> {
        let is_default = |name: &str| name == "net.ipv4.ping_group_range";
        let set = self.linux.sysctl.iter().filter(|(name, _)| !is_default(name));
        set.map(|(name, value)| Privilege::Sysctl { name: name.clone(), value: value.clone() }).collect()
    }

    fn rlimits(&self) -> Vec<Privilege> {
        let special = self.process.rlimits.iter().filter(|limit| !DEFAULT_RLIMITS.contains(&limit.name.as_str()));
        let privilege =
            |limit: &Rlimit| Privilege::Rlimit { name: limit.name.clone(), soft: limit.soft, hard: limit.hard };
        special.map(privilege).collect()
    }
}
